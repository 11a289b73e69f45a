/**
 * Bytes to messages (RFC 6455 §5). No I/O and no clock: chunks in, calls on a sink out.
 *
 * What made it fast (lab figures in docs/decisions.md): every frame of a chunk is decoded in one pass,
 * unmasked in place, and handed on as a view of the chunk. Only a message that arrives in pieces is copied.
 */
import { isUtf8 } from "node:buffer";
import { Assembly } from "./assembly.js";
import { CloseCode, decodeClosePayload } from "./close.js";
import { MAX_CONTROL_PAYLOAD, Opcode } from "./frame.js";
import { applyMask, rotateMask } from "./mask.js";
import { checkUtf8 } from "./utf8.js";
import type { Violation } from "./violation.js";

/** What a decoder found, called in the order of the stream, while `push` runs. */
export interface DecoderSink {
  /** A whole message: text as a string, binary as a Buffer that nothing overwrites later. */
  onMessage(data: string | Buffer): void;
  /** Text instead, where `textAsBytes` is set: checked for UTF-8, and not made a string. */
  onTextBytes?(bytes: Buffer): void;
  /**
   * A whole message that its sender has compressed (RFC 7692 §6.1), still to be inflated, and then to be checked for
   * UTF-8 when it is text. Called only when `compression` was agreed on.
   */
  onCompressedMessage(payload: Buffer, isText: boolean): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** The peer's Close. Nothing follows it: bytes pushed later are dropped unread. */
  onClose(code: number, reason: string): void;
  /** The stream is broken here. Nothing follows it: bytes pushed later are dropped unread. */
  onViolation(violation: Violation): void;
}

/** What a decoder accepts. */
export interface DecoderOptions {
  /** Bytes that a message may have, its fragments together; refused by the header, before a byte is stored. */
  maxPayload: number;
  /** Frames that one message may be split into. */
  maxFragments: number;
  /** Whether frames must be masked: true for what clients send, false for what servers send (RFC 6455 §5.1). */
  masked: boolean;
  /** Whether permessage-deflate was agreed on, which gives the first reserved bit its meaning (RFC 7692 §6). */
  compression: boolean;
  /** Whether text goes to `onTextBytes`, which must be there then. Default false. */
  textAsBytes?: boolean;
}

/** The longest frame header: 2 bytes, a 64-bit length and a masking key. */
const LONGEST_HEADER = 14;

const RESERVED_BITS = 0x70;
/** The first reserved bit, RSV1. */
const COMPRESSED = 0x40;
const OPCODE_BITS = 0x0f;
const CONTROL_BIT = 0x08;

function isDefined(opcode: number): boolean {
  return opcode <= Opcode.binary || (opcode >= Opcode.close && opcode <= Opcode.pong);
}

/** Decodes one direction of one connection. */
export class Decoder {
  readonly #sink: DecoderSink;
  readonly #options: DecoderOptions;
  #finished = false;

  /** The beginning of a header that the last chunk ended in. */
  #partialHeader: Buffer | undefined;

  // The frame whose header was read last.
  #final = false;
  #opcode: number = Opcode.continuation;
  #mask = 0;
  /** Payload bytes that the current frame still lacks; undefined between frames. */
  #missing: number | undefined;

  /** Opcode of the message whose fragments are arriving; undefined between messages. */
  #fragmentedOpcode: number | undefined;
  #fragments = 0;
  /** Whether the current message is compressed; its first frame says so. */
  #compressed = false;
  #message: Assembly | undefined;
  #control: Assembly | undefined;

  constructor(sink: DecoderSink, options: DecoderOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  /** True when no frame and no fragmented message has begun without having ended. */
  get atBoundary(): boolean {
    return (
      this.#missing === undefined && this.#partialHeader === undefined && this.#fragmentedOpcode === undefined
    );
  }

  /** True after a Close or a violation: what is pushed now is dropped. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Decodes the next bytes of the stream. The chunk belongs to the decoder from here on: it is unmasked in place. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (!this.#finished) {
      if (this.#missing === undefined) {
        const next = this.#readHeader(chunk, offset);
        if (next === undefined) return;
        offset = next;
      }
      const missing = this.#missing!;
      if (missing > 0 && offset === chunk.length) return;
      const end = Math.min(offset + missing, chunk.length);
      this.#readPayload(chunk, offset, end, missing);
      offset = end;
    }
  }

  /**
   * Reads a frame header at `offset`, together with what an earlier chunk left of it, and returns the offset
   * behind it; undefined when the chunk ends within it or the frame is refused.
   */
  #readHeader(chunk: Buffer, offset: number): number | undefined {
    const partial = this.#partialHeader;
    if (partial === undefined) {
      const length = this.#parseHeader(chunk, offset);
      if (length !== undefined) return offset + length;
      // A copy: a few bytes of header must not keep a whole chunk alive.
      if (offset < chunk.length) this.#keepPartialHeader(Buffer.from(chunk.subarray(offset)));
      return undefined;
    }
    const whole = Buffer.concat([partial, chunk.subarray(offset, offset + LONGEST_HEADER - partial.length)]);
    const length = this.#parseHeader(whole, 0);
    if (length === undefined) {
      this.#keepPartialHeader(whole);
      return undefined;
    }
    this.#partialHeader = undefined;
    return offset + length - partial.length;
  }

  /** Keeps what is there of a header, unless the frame was refused: then nothing of it is needed. */
  #keepPartialHeader(bytes: Buffer): void {
    if (!this.#finished) this.#partialHeader = bytes;
  }

  /**
   * Parses the header at `offset` into the fields of the current frame and returns its length. Undefined when
   * bytes are missing or the frame is refused; it is refused as soon as the bytes that are there allow it.
   */
  #parseHeader(bytes: Buffer, offset: number): number | undefined {
    const available = bytes.length - offset;
    if (available < 2) return undefined;
    const first = bytes[offset]!;
    const second = bytes[offset + 1]!;
    const opcode = first & OPCODE_BITS;
    const final = first >= 0x80;
    let length = second & 0x7f;

    const violation = this.#checkStart(first, final, opcode, second >= 0x80, length);
    if (violation !== undefined) return this.#refuse(CloseCode.protocolError, violation);

    let position = offset + 2;
    if (length === 126) {
      if (available < 4) return undefined;
      length = bytes.readUInt16BE(position);
      position += 2;
    } else if (length === 127) {
      if (available < 10) return undefined;
      const high = bytes.readUInt32BE(position);
      if (high > 0x7fffffff) {
        return this.#refuse(CloseCode.protocolError, "a frame length whose most significant bit is set");
      }
      length = high * 2 ** 32 + bytes.readUInt32BE(position + 4);
      position += 8;
    }
    const total = opcode < CONTROL_BIT ? length + (this.#message?.length ?? 0) : 0;
    if (total > this.#options.maxPayload) {
      return this.#refuse(
        CloseCode.messageTooBig,
        `a message of over ${this.#options.maxPayload} bytes, the most that is accepted here`,
      );
    }
    if (this.#options.masked) {
      if (available < position - offset + 4) return undefined;
      this.#mask = bytes.readInt32LE(position);
      position += 4;
    }
    if (opcode < CONTROL_BIT && !this.#countFragment(final, opcode)) return undefined;
    if (opcode === Opcode.text || opcode === Opcode.binary) this.#compressed = (first & COMPRESSED) !== 0;
    this.#final = final;
    this.#opcode = opcode;
    this.#missing = length;
    return position - offset;
  }

  /** What is wrong with the first two bytes of a frame, if anything is. */
  #checkStart(
    first: number,
    final: boolean,
    opcode: number,
    masked: boolean,
    length: number,
  ): string | undefined {
    const reserved = first & RESERVED_BITS;
    if (reserved !== 0 && !(reserved === COMPRESSED && this.#mayBeCompressed(opcode)))
      return "a frame with a reserved bit set that no extension gives a meaning";
    if (!isDefined(opcode)) return `a frame with the undefined opcode ${opcode}`;
    if (masked !== this.#options.masked) {
      return masked ? "a masked frame from a server" : "a frame from a client without a mask";
    }
    if (opcode >= CONTROL_BIT) {
      if (!final) return "a fragmented control frame";
      if (length > MAX_CONTROL_PAYLOAD) return "a control frame with over 125 bytes of payload";
      return undefined;
    }
    if (opcode === Opcode.continuation) {
      if (this.#fragmentedOpcode === undefined) return "a continuation frame without a message to continue";
    } else if (this.#fragmentedOpcode !== undefined) {
      return "a new message before the fragmented one has ended";
    }
    return undefined;
  }

  /** Only the first frame of a message says whether it is compressed, RFC 7692 §6.1. */
  #mayBeCompressed(opcode: number): boolean {
    return this.#options.compression && (opcode === Opcode.text || opcode === Opcode.binary);
  }

  /** Counts a frame of a fragmented message; false when there are too many of them. */
  #countFragment(final: boolean, opcode: number): boolean {
    if (opcode !== Opcode.continuation) {
      if (!final) {
        this.#fragmentedOpcode = opcode;
        this.#fragments = 1;
      }
      return true;
    }
    this.#fragments++;
    if (this.#fragments <= this.#options.maxFragments) return true;
    this.#refuse(
      CloseCode.policyViolation,
      `a message in over ${this.#options.maxFragments} fragments, the most that is accepted here`,
    );
    return false;
  }

  /** Takes `chunk[offset..end)`, payload of the current frame, of which `missing` bytes were still to come. */
  #readPayload(chunk: Buffer, offset: number, end: number, missing: number): void {
    const opcode = this.#opcode;
    const whole = end - offset === missing;
    this.#missing = whole ? undefined : missing - (end - offset);

    if (opcode >= CONTROL_BIT) {
      if (whole && this.#control === undefined) {
        this.#unmask(chunk, offset, end);
        this.#emitControl(opcode, chunk.subarray(offset, end));
        return;
      }
      this.#control ??= new Assembly();
      this.#gather(this.#control, chunk, offset, end, missing);
      if (whole) {
        const payload = this.#control.take();
        this.#control = undefined;
        this.#emitControl(opcode, payload);
      }
      return;
    }

    if (whole && this.#final && this.#message === undefined) {
      this.#unmask(chunk, offset, end);
      this.#emitMessage(opcode, chunk.subarray(offset, end));
      return;
    }
    this.#message ??= new Assembly();
    this.#gather(this.#message, chunk, offset, end, missing);
    const messageOpcode = this.#fragmentedOpcode ?? opcode;
    const isPlainText = messageOpcode === Opcode.text && !this.#compressed;
    if (isPlainText && !this.#checkPiece(this.#message, whole && this.#final)) return;
    if (whole && this.#final) {
      const payload = this.#message.take();
      this.#message = undefined;
      this.#fragmentedOpcode = undefined;
      if (isPlainText) this.#emitText(payload);
      else this.#emitMessage(messageOpcode, payload);
    }
  }

  /** Checks what has come of a text so far (RFC 6455 §8.1); false when it is refused. */
  #checkPiece(message: Assembly, isLast: boolean): boolean {
    message.checked = checkUtf8(message.buffer, message.checked, message.length);
    if (message.checked !== -1 && !(isLast && message.checked < message.length)) return true;
    this.#refuseText();
    return false;
  }

  #gather(assembly: Assembly, chunk: Buffer, offset: number, end: number, missing: number): void {
    // Behind a fragment, more comes: only the limit says how much.
    const expected = this.#final ? missing : this.#options.maxPayload - assembly.length;
    const start = assembly.append(chunk, offset, end, expected);
    this.#unmask(assembly.buffer, start, assembly.length);
    this.#mask = rotateMask(this.#mask, end - offset);
  }

  #unmask(bytes: Buffer, start: number, end: number): void {
    if (this.#options.masked) applyMask(bytes, start, end, this.#mask);
  }

  #emitMessage(opcode: number, payload: Buffer): void {
    if (this.#compressed) {
      this.#sink.onCompressedMessage(payload, opcode === Opcode.text);
    } else if (opcode === Opcode.binary) {
      this.#sink.onMessage(payload);
    } else if (!isUtf8(payload)) {
      this.#refuseText();
    } else {
      this.#emitText(payload);
    }
  }

  /** Text that has been checked. */
  #emitText(payload: Buffer): void {
    if (this.#options.textAsBytes === true) this.#sink.onTextBytes!(payload);
    else this.#sink.onMessage(payload.toString("utf8"));
  }

  #emitControl(opcode: number, payload: Buffer): void {
    if (opcode === Opcode.ping) {
      this.#sink.onPing(payload);
    } else if (opcode === Opcode.pong) {
      this.#sink.onPong(payload);
    } else {
      const status = decodeClosePayload(payload);
      if ("violated" in status) {
        this.#refuse(status.violated, status.explanation);
      } else {
        this.finish();
        this.#sink.onClose(status.code, status.reason);
      }
    }
  }

  #refuseText(): void {
    this.#refuse(CloseCode.invalidPayload, "a text message that is not UTF-8");
  }

  #refuse(violated: Violation["violated"], explanation: string): undefined {
    this.finish();
    this.#sink.onViolation({ violated, explanation });
  }

  /** Decodes nothing any more, so nothing is kept either: what is pushed from here on is dropped unread. */
  finish(): void {
    this.#finished = true;
    this.#partialHeader = undefined;
    this.#missing = undefined;
    this.#fragmentedOpcode = undefined;
    this.#message = undefined;
    this.#control = undefined;
  }
}

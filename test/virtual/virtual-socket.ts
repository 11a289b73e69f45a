/**
 * A server's end of a TCP connection in virtual time: a real stream with real bytes, and behind it a kernel that holds
 * so many replies for a peer that does not read.
 */
import { Duplex } from "node:stream";
import { Opcode } from "../../src/wire/frame.js";
import { closePayload, rawFrame } from "../wire/raw-frame.js";
import type { Line, PeerFrame, ServerFrame, VirtualPeer } from "./virtual-peer.js";

type Callback = (error?: Error | null) => void;

export class VirtualSocket extends Duplex implements Line {
  /** Replies that the kernel got. */
  carried = 0;
  /** Frames that lay unread when it was destroyed. */
  unreadAtDestroy = 0;
  readonly #kernelBuffer: number;
  readonly #cutter = new FrameCutter();
  #peer: VirtualPeer | undefined;
  /** Replies that the kernel holds for the peer. */
  inKernel = 0;
  /** What is being written. */
  #taking: { frames: ServerFrame[]; done: Callback } | undefined;
  /** The peer is within a fragmented message. */
  #fragmented = false;

  constructor(kernelBuffer: number) {
    super({ allowHalfOpen: true });
    this.#kernelBuffer = kernelBuffer;
  }

  connectTo(peer: VirtualPeer): void {
    this.#peer = peer;
  }

  // From the peer

  fromPeer(frame: PeerFrame): void {
    if (this.destroyed) {
      if (frame.type !== "fin") this.#peer!.beReset();
    } else {
      this.push(frame.type === "fin" ? null : this.#bytesOf(frame));
    }
  }

  room(): void {
    this.inKernel--;
    this.#pass();
  }

  reset(): void {
    if (!this.destroyed) this.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  }

  #bytesOf(frame: Exclude<PeerFrame, { type: "fin" }>): Buffer {
    const continued = this.#fragmented;
    switch (frame.type) {
      case "part":
        this.#fragmented = true;
        return rawFrame({ opcode: Opcode.text, final: false });
      case "message":
        this.#fragmented = false;
        return rawFrame({ opcode: continued ? Opcode.continuation : Opcode.text, payload: String(frame.id) });
      case "pong":
        return rawFrame({ opcode: Opcode.pong, payload: frame.payload });
      case "close":
        return rawFrame({ opcode: Opcode.close, payload: closePayload(frame.code) });
      case "malformed":
        return rawFrame({ opcode: Opcode.text, reserved: 0x70 });
    }
  }

  // From the server

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: Callback): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Callback): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Callback): void {
    this.#peer!.carry({ type: "fin" });
    done();
  }

  override _destroy(error: Error | null, done: Callback): void {
    this.unreadAtDestroy = this.readableLength;
    // Unread input makes the kernel answer with a reset (RFC 1122 §4.2.2.13).
    if (error === null && this.unreadAtDestroy > 0) this.#peer!.beReset();
    this.#taking = undefined;
    done(error);
  }

  #take(chunks: Buffer[], done: Callback): void {
    this.#taking = { frames: chunks.flatMap((chunk) => this.#cutter.push(chunk)), done };
    this.#pass();
  }

  /** The kernel takes a frame whenever it has room. */
  #pass(): void {
    if (this.#taking === undefined) return;
    const { frames, done } = this.#taking;
    while (frames.length > 0) {
      if (frames[0]!.type === "reply") {
        if (this.inKernel >= this.#kernelBuffer) return;
        this.inKernel++;
        this.carried++;
      }
      this.#peer!.carry(frames.shift()!);
    }
    this.#taking = undefined;
    done();
  }
}

/** Cuts what a server writes into frames, without a look at what messages say: their order is their name. */
class FrameCutter {
  #first = 0;
  #missing: number | undefined;
  #control = Buffer.alloc(0);
  #replies = 0;

  push(chunk: Buffer): ServerFrame[] {
    const frames: ServerFrame[] = [];
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#missing === undefined) offset = this.#readHeader(chunk, offset);
      const end = Math.min(offset + this.#missing!, chunk.length);
      if (this.#opcode >= 8) this.#control = Buffer.concat([this.#control, chunk.subarray(offset, end)]);
      this.#missing! -= end - offset;
      offset = end;
      if (this.#missing === 0) frames.push(...this.#endFrame());
    }
    return frames;
  }

  get #opcode(): number {
    return this.#first & 0x0f;
  }

  /** A server's header is never split, and never masked. */
  #readHeader(chunk: Buffer, offset: number): number {
    this.#first = chunk[offset]!;
    const length = chunk[offset + 1]!;
    this.#control = Buffer.alloc(0);
    if (length < 126) {
      this.#missing = length;
      return offset + 2;
    }
    this.#missing =
      length === 126 ? chunk.readUInt16BE(offset + 2) : Number(chunk.readBigUInt64BE(offset + 2));
    return offset + (length === 126 ? 4 : 10);
  }

  #endFrame(): ServerFrame[] {
    this.#missing = undefined;
    switch (this.#opcode) {
      case Opcode.ping:
        return [{ type: "ping", payload: this.#control }];
      case Opcode.close:
        return [{ type: "close", code: this.#control.readUInt16BE() }];
      default:
        return this.#first >= 0x80 ? [{ type: "reply", id: this.#replies++ }] : [];
    }
  }
}

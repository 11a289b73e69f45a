/** A decoder whose findings are written down. */
import { Decoder, type DecoderOptions, type DecoderSink } from "../../src/wire/decoder.js";
import type { Violation } from "../../src/wire/violation.js";

export type Found =
  | { type: "text"; data: string }
  | { type: "text bytes"; data: Buffer }
  | { type: "binary"; data: Buffer }
  | { type: "compressed"; payload: Buffer; isText: boolean }
  | { type: "ping"; payload: Buffer }
  | { type: "pong"; payload: Buffer }
  | { type: "close"; code: number; reason: string }
  | { type: "violation"; code: number; explanation: string };

/**
 * One line for each, without the explanations, which are each library's own. Comparing lines is fast as well: an
 * assertion on Buffers walks through their bytes one by one.
 */
export function essence(found: readonly Found[]): string[] {
  return found.map((event) => {
    switch (event.type) {
      case "text":
        return `text ${event.data}`;
      case "text bytes":
      case "binary":
        return `${event.type} ${event.data.toString("hex")}`;
      case "compressed":
        return `compressed ${event.isText ? "text" : "binary"} ${event.payload.toString("hex")}`;
      case "ping":
      case "pong":
        return `${event.type} ${event.payload.toString("hex")}`;
      case "close":
        return `close ${event.code} ${event.reason}`;
      case "violation":
        return `violation ${event.code}`;
      default:
        return event satisfies never;
    }
  });
}

export class RecordingSink implements DecoderSink {
  readonly found: Found[] = [];

  onMessage(data: string | Buffer): void {
    this.found.push(typeof data === "string" ? { type: "text", data } : { type: "binary", data });
  }
  onTextBytes(data: Buffer): void {
    this.found.push({ type: "text bytes", data });
  }
  onCompressedMessage(payload: Buffer, isText: boolean): void {
    this.found.push({ type: "compressed", payload, isText });
  }
  onPing(payload: Buffer): void {
    this.found.push({ type: "ping", payload });
  }
  onPong(payload: Buffer): void {
    this.found.push({ type: "pong", payload });
  }
  onClose(code: number, reason: string): void {
    this.found.push({ type: "close", code, reason });
  }
  onViolation({ violated, explanation }: Violation): void {
    this.found.push({ type: "violation", code: violated, explanation });
  }
}

export const SERVER_OPTIONS: DecoderOptions = {
  maxPayload: 1 << 20,
  maxFragments: 16_384,
  masked: true,
  compression: false,
};

export function recordingDecoder(options: Partial<DecoderOptions> = {}): {
  decoder: Decoder;
  found: Found[];
} {
  const sink = new RecordingSink();
  return { decoder: new Decoder(sink, { ...SERVER_OPTIONS, ...options }), found: sink.found };
}

/** Decodes the chunks, each as a copy, because a decoder unmasks in place. */
export function decode(chunks: readonly Uint8Array[], options: Partial<DecoderOptions> = {}): Found[] {
  const { decoder, found } = recordingDecoder(options);
  for (const chunk of chunks) decoder.push(Buffer.from(chunk));
  return found;
}

/** `bytes` cut at the given places, in whatever order they are; places at the ends give empty chunks. */
export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = places.map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => bytes.subarray(start, sorted[index] ?? bytes.length));
}

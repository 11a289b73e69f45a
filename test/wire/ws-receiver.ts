/** The decoder of `ws`, driven and watched synchronously, as a second opinion. */
import type { Writable } from "node:stream";
import * as ws from "ws";
import type { DecoderOptions } from "../../src/wire/decoder.js";
import type { Found } from "./recording.js";

interface ReceiverOptions {
  isServer: boolean;
  allowSynchronousEvents: boolean;
  maxPayload: number;
  maxFragments: number;
}

// `ws` exports its Receiver, but its types do not say so.
const { Receiver } = ws as unknown as { Receiver: new (options: ReceiverOptions) => Writable };

/** `ws` keeps the close code in a property of the error that it exports no name for. */
function closeCodeOf(error: Error): number {
  const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === "status-code");
  if (symbol === undefined) throw error;
  return (error as unknown as Record<symbol, number>)[symbol]!;
}

export class WsDecoder {
  readonly found: Found[] = [];
  finished = false;
  readonly #receiver: Writable;

  constructor({ masked, maxPayload, maxFragments }: DecoderOptions) {
    this.#receiver = new Receiver({
      isServer: masked,
      allowSynchronousEvents: true,
      maxPayload,
      maxFragments,
    });
    this.#receiver.on("message", (data: Buffer, isBinary: boolean) => {
      this.found.push(isBinary ? { type: "binary", data } : { type: "text", data: data.toString() });
    });
    this.#receiver.on("ping", (payload: Buffer) => this.found.push({ type: "ping", payload }));
    this.#receiver.on("pong", (payload: Buffer) => this.found.push({ type: "pong", payload }));
    this.#receiver.on("conclude", (code: number, reason: Buffer) => {
      this.finished = true;
      this.found.push({ type: "close", code, reason: reason.toString() });
    });
    // A stream tells its error a tick later; `errored` has it at once.
    this.#receiver.on("error", () => {});
  }

  push(chunk: Buffer): void {
    if (this.finished) return;
    this.#receiver.write(chunk);
    const error = this.#receiver.errored;
    if (error) {
      this.finished = true;
      this.found.push({ type: "violation", code: closeCodeOf(error), explanation: error.message });
    }
  }
}

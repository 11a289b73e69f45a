/**
 * permessage-deflate (RFC 7692), by the parts that the `ws` package exports. They are loaded when a server is made
 * with `compression`, and not before.
 *
 * `ws` runs at most ten zlib jobs at a time in a process, whatever their number of connections: more would only
 * fragment memory.
 */
import { isUtf8 } from "node:buffer";
import { createRequire } from "node:module";
import { CloseCode } from "../wire/close.js";
import type { Violation } from "../wire/violation.js";

/** How messages are compressed. Window bits are powers of two: 15 stands for 32 KiB. */
export interface CompressionOptions {
  /** Messages of fewer bytes go out as they are. Default 1 024. */
  threshold: number;
  /** Compress each message for itself, and not against those before it. Default false. */
  serverNoContextTakeover: boolean;
  /** Ask clients to do the same. With both, zlib's memory is given back between messages. Default false. */
  clientNoContextTakeover: boolean;
  /** The window for what we send, 9 to 15. Default 15. */
  serverMaxWindowBits: number;
  /** The window for what clients send, 9 to 15. Below 15, clients that cannot be told so go without. Default 15. */
  clientMaxWindowBits: number;
}

/** What `compression: true` stands for. */
export const compressionDefaults: Readonly<CompressionOptions> = Object.freeze({
  threshold: 1024,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
});

const NAME = "permessage-deflate";

/** The largest window there is, and the smallest that zlib can compress for. */
export const WINDOW_BITS = { smallest: 9, largest: 15 };

/** Parameters of one offer as `ws` reads them: each with all values that were given for it. */
type Offer = Record<string, (string | true)[]>;

/** What we use of the class that `ws` exports. */
interface PerMessageDeflate {
  /** Throws when the offer cannot be accepted. */
  accept(offers: Offer[]): Record<string, unknown>;
  compress(data: Buffer, final: boolean, callback: (error: Error | null, result: Buffer) => void): void;
  decompress(
    data: Buffer,
    final: boolean,
    callback: (error: NodeJS.ErrnoException | null, result: Buffer) => void,
  ): void;
  cleanup(): void;
}

/** What `ws` exports beside its types. */
interface WsParts {
  PerMessageDeflate: new (options: object) => PerMessageDeflate;
  extension: {
    /** Throws a SyntaxError. */
    parse(header: string): Record<string, Offer[]>;
    format(extensions: Record<string, Record<string, unknown>[]>): string;
  };
}

/** What was agreed on with a client, and the header that tells it so. */
export interface Agreement {
  compression: Compression;
  header: string;
}

/** Agrees with clients on compression. */
export class CompressionNegotiator {
  readonly #ws: WsParts;
  readonly #options: CompressionOptions;
  readonly #maxPayload: number;

  constructor(options: CompressionOptions, maxPayload: number) {
    // Not by `import`: that would load it for everybody, or make createServer asynchronous.
    this.#ws = createRequire(import.meta.url)("ws") as WsParts;
    this.#options = options;
    this.#maxPayload = maxPayload;
  }

  /** Accepts the first offer that can be; `malformed` when the header cannot be read (RFC 6455 §9.1). */
  negotiate(header: string): Agreement | "malformed" | undefined {
    const offers = this.#offersIn(header);
    if (offers === undefined) return "malformed";
    for (const offer of offers) {
      const perMessageDeflate = new this.#ws.PerMessageDeflate(this.#optionsFor(offer));
      try {
        const accepted = perMessageDeflate.accept([offer]);
        return {
          compression: new Compression(perMessageDeflate, {
            threshold: this.#options.threshold,
            maxPayload: this.#maxPayload,
            remembers: !(accepted["server_no_context_takeover"] && accepted["client_no_context_takeover"]),
          }),
          header: this.#ws.extension.format({ [NAME]: [accepted] }),
        };
      } catch {
        // RFC 7692 §7.1: an offer that is not understood is declined, and the next one looked at.
      }
    }
    return undefined;
  }

  #offersIn(header: string): Offer[] | undefined {
    try {
      return this.#ws.extension.parse(header)[NAME] ?? [];
    } catch {
      return undefined;
    }
  }

  #optionsFor(offer: Offer): object {
    const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } =
      this.#options;
    // A client may ask for a smaller window than ours (RFC 7692 §7.1.2.1): it gets that. One of 8 bits is declined.
    const offered = Number(offer["server_max_window_bits"]?.[0] ?? WINDOW_BITS.largest);
    const serverBits = Math.max(WINDOW_BITS.smallest, Math.min(serverMaxWindowBits, offered));
    return {
      isServer: true,
      maxPayload: this.#maxPayload,
      // Undefined, where the default is what no parameter at all means.
      serverNoContextTakeover: serverNoContextTakeover || undefined,
      clientNoContextTakeover: clientNoContextTakeover || undefined,
      serverMaxWindowBits: serverBits < WINDOW_BITS.largest ? serverBits : undefined,
      clientMaxWindowBits: clientMaxWindowBits < WINDOW_BITS.largest ? clientMaxWindowBits : undefined,
    };
  }
}

/** Compression as it was agreed on with one client. */
export class Compression {
  /** Messages of fewer bytes are not compressed. */
  readonly threshold: number;
  readonly #perMessageDeflate: PerMessageDeflate;
  readonly #maxPayload: number;
  #running = 0;
  /** Whether zlib has to keep anything while it has nothing to do. */
  #remembers: boolean;

  /** `remembers`: whether a message is compressed against those before it, in either direction. */
  constructor(
    perMessageDeflate: PerMessageDeflate,
    { threshold, maxPayload, remembers }: { threshold: number; maxPayload: number; remembers: boolean },
  ) {
    this.#perMessageDeflate = perMessageDeflate;
    this.threshold = threshold;
    this.#maxPayload = maxPayload;
    this.#remembers = remembers;
  }

  /** Compresses a message. One at a time: each is compressed against those before it. */
  deflate(message: Buffer, onDone: (payload: Buffer) => void): void {
    this.#running++;
    this.#perMessageDeflate.compress(message, true, (_error, payload) => {
      this.#end();
      onDone(payload);
    });
  }

  /** Inflates a message. One at a time, in their order. */
  inflate(payload: Buffer, isText: boolean, onDone: (message: string | Buffer | Violation) => void): void {
    this.#running++;
    this.#perMessageDeflate.decompress(payload, true, (error, message) => {
      this.#end();
      if (error !== null) onDone(this.#violationOf(error));
      else if (!isText) onDone(message);
      else if (isUtf8(message)) onDone(message.toString("utf8"));
      else onDone({ violated: CloseCode.invalidPayload, explanation: "a text message that is not UTF-8" });
    });
  }

  #violationOf(error: NodeJS.ErrnoException): Violation {
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
      return {
        violated: CloseCode.messageTooBig,
        explanation: `a message that inflates to over ${this.#maxPayload} bytes, the most that is accepted here`,
      };
    }
    return {
      violated: CloseCode.invalidPayload,
      explanation: "a compressed message that cannot be inflated",
    };
  }

  /** Gives the memory of zlib back. Nothing is inflated or deflated any more. */
  release(): void {
    this.#remembers = false;
    this.#forget();
  }

  #end(): void {
    this.#running--;
    this.#forget();
  }

  #forget(): void {
    // In the middle of a job `ws` would read what its own cleanup has thrown away.
    if (!this.#remembers && this.#running === 0) this.#perMessageDeflate.cleanup();
  }
}

/**
 * How compression is agreed on with a client (RFC 7692 §5), by the parts that the `ws` package exports. They are loaded
 * when a server is made with `compression`, and not before.
 */
import { createRequire } from "node:module";
import { Compression, type PerMessageDeflate } from "../connection/compression.js";
import { membersOf } from "../wire/handshake.js";

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

/** What `ws` exports beside its types. */
interface WsParts {
  PerMessageDeflate: new (options: object) => PerMessageDeflate & {
    /** Throws when the offer cannot be accepted. */
    accept(offers: Offer[]): Record<string, unknown>;
  };
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
    const extensions = membersOf(header);
    if (extensions.length === 0) return [];
    try {
      return this.#ws.extension.parse(extensions.join(", "))[NAME] ?? [];
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

/** Agreeing on compression. How agreed parameters look on the wire: test/connection/compression.test.ts. */
import { createRequire } from "node:module";
import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Violation } from "../../src/wire/violation.js";
import {
  compressionDefaults,
  CompressionNegotiator,
  type Agreement,
  type CompressionOptions,
} from "../../src/listen/compression-offer.js";
import { PeerDeflate } from "../tools/peer-deflate.js";

const NAME = "permessage-deflate";

function agree(header: string, options: Partial<CompressionOptions> = {}, maxPayload = 2 ** 20): Agreement {
  const agreed = new CompressionNegotiator({ ...compressionDefaults, ...options }, maxPayload).negotiate(
    header,
  );
  if (agreed === undefined || agreed === "malformed") throw new Error(`not agreed on: ${agreed}`);
  return agreed;
}

function deflated({ compression }: Agreement, message: Buffer): Promise<Buffer> {
  return new Promise((resolve) => compression.deflate(message, resolve));
}

function inflated({ compression }: Agreement, payload: Buffer, isText = false): Promise<Buffer | Violation> {
  return new Promise((resolve) => compression.inflate(payload, isText, resolve));
}

describe("an offer", () => {
  test("is accepted as the first that can be, and answered with what is agreed on", () => {
    const offers = [
      `${NAME}; server_max_window_bits=8`,
      `${NAME}; server_max_window_bits=10; client_max_window_bits`,
      NAME,
    ];
    expect(agree(offers.join(", ")).header).toBe(`${NAME}; server_max_window_bits=10`);
    expect(agree(`x-other; a=1, ${NAME}`).header).toBe(NAME);
  });

  test("that is none of ours, or cannot be met, is declined; a header that cannot be read is malformed", () => {
    const negotiator = new CompressionNegotiator(compressionDefaults, 2 ** 20);
    expect(negotiator.negotiate("x-other")).toBe(undefined);
    expect(negotiator.negotiate(`${NAME}; unknown`)).toBe(undefined);
    for (const header of ["; a", `${NAME};`, `${NAME}; a=`, `${NAME} x`]) {
      expect(negotiator.negotiate(header)).toBe("malformed");
    }
  });

  test("is found among empty elements, which are ignored; a header of nothing else offers nothing", () => {
    const negotiator = new CompressionNegotiator(compressionDefaults, 2 ** 20);
    for (const header of ["", ",", " , ,"]) expect(negotiator.negotiate(header)).toBe(undefined);
    for (const header of [`${NAME},`, `,,${NAME}`, `x-other; a="b",,${NAME} ,`]) {
      expect(agree(header).header).toBe(NAME);
    }
  });

  test("of the smaller window wins, whoever wants it", () => {
    const bits = (offered: string, serverMaxWindowBits: number): string =>
      agree(`${NAME}${offered}`, { serverMaxWindowBits }).header;
    expect(bits("; server_max_window_bits=10", 12)).toBe(`${NAME}; server_max_window_bits=10`);
    expect(bits("; server_max_window_bits=14", 12)).toBe(`${NAME}; server_max_window_bits=12`);
    expect(bits("", 12)).toBe(`${NAME}; server_max_window_bits=12`);
    expect(bits("", 15)).toBe(NAME);
  });
});

describe("what was agreed on", () => {
  test("is one client's own: each has a context for itself", async () => {
    const negotiator = new CompressionNegotiator(compressionDefaults, 2 ** 20);
    const [one, two] = [negotiator.negotiate(NAME) as Agreement, negotiator.negotiate(NAME) as Agreement];
    const message = randomBytes(2_000);
    const sizes = [await deflated(one, message), await deflated(one, message), await deflated(two, message)];
    expect(sizes.map(({ length }) => length > 1_000)).toEqual([true, false, true]);
    const client = new PeerDeflate(two.header);
    expect(client.inflate(sizes[2]!)).toEqual(message);
    expect(await inflated(two, client.deflate(message))).toEqual(message);
  });

  test("has the options' threshold, and takes no more than the largest message", async () => {
    const agreed = agree(NAME, { threshold: 77 }, 1_000);
    expect(agreed.compression.threshold).toBe(77);
    const client = new PeerDeflate(agreed.header);
    expect(await inflated(agreed, client.deflate(Buffer.alloc(1_000)))).toHaveLength(1_000);
    expect(await inflated(agreed, client.deflate(Buffer.alloc(1_001)))).toMatchObject({ violated: 1009 });
  });

  test.for([
    { offer: NAME, back: 0 },
    { offer: `${NAME}; server_no_context_takeover`, back: 0 },
    { offer: `${NAME}; client_no_context_takeover`, back: 0 },
    { offer: `${NAME}; server_no_context_takeover; client_no_context_takeover`, back: 1 },
  ])(
    "gives zlib's memory back after a message only when neither side remembers: $offer",
    async ({ offer, back }) => {
      const { PerMessageDeflate } = createRequire(import.meta.url)("ws") as {
        PerMessageDeflate: { prototype: { cleanup(): void } };
      };
      const cleanup = vi.spyOn(PerMessageDeflate.prototype, "cleanup");
      onTestFinished(() => cleanup.mockRestore());
      const agreed = agree(offer);
      onTestFinished(() => agreed.compression.release());
      await deflated(agreed, Buffer.from("message"));
      expect(cleanup).toHaveBeenCalledTimes(back);
    },
  );

  test("is asked for when the server wants it of itself and of its clients", () => {
    expect(agree(NAME, { serverNoContextTakeover: true, clientNoContextTakeover: true }).header).toBe(
      `${NAME}; server_no_context_takeover; client_no_context_takeover`,
    );
    expect(agree(`${NAME}; client_max_window_bits`, { clientMaxWindowBits: 11 }).header).toBe(
      `${NAME}; client_max_window_bits=11`,
    );
  });
});

/** The ways to behave: all of the design are there, and documented; each does what it says. */
import { describe, expect, it } from "vitest";
import type { Conversation } from "../../src/drill/conversation.js";
import { profileNames, profiles, type LoadContext } from "../../src/drill/profiles.js";
import { randomFrom } from "../../src/drill/random.js";

describe("the table of profiles", () => {
  it("has every way of the design", () => {
    const named =
      "pipelined closed-loop stream slow-reader silent-peer half-close abort late-sender flood fragmented mid-frame handshake accept-queue far";
    expect(profileNames).toEqual(named.split(" "));
    expect(Object.keys(profiles)).toEqual(profileNames);
  });

  it.each(profileNames)("says in three sentences what %s does, and what servers should do and do", (name) => {
    const { does, correct, commonly } = profiles[name];
    for (const sentence of [does, correct, commonly]) {
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(sentence).not.toMatch(/[|\n`]/);
      expect(sentence.length).toBeGreaterThan(20);
    }
    expect(does).toMatch(/^(Sends|Is connected|Arrives)/);
    expect(new Set([does, correct, commonly]).size).toBe(3);
  });
});

/** A client that is open for so many looks, and what it was asked to do. */
function fake(looks = Infinity) {
  const done: string[] = [];
  let left = looks;
  const client = {
    get isOpen() {
      return left-- > 0;
    },
    get isOver() {
      return left < -20;
    },
    bufferedBytes: 0,
    ping: () => done.push("ping"),
    halfClose: () => done.push("half-close"),
    reset: () => done.push("reset"),
    sendHalfFrame: () => done.push("half a frame"),
    answerClose: () => done.push("close"),
    stopReading: () => done.push("stop reading"),
    readOn: () => done.push("read on"),
    readAt: (rate: number) => done.push(`read ${rate} bytes a second`),
  };
  const conversation = {
    client,
    get isOpen() {
      return client.isOpen;
    },
    ask: (fragments?: (message: Buffer) => number[]) => {
      done.push(fragments === undefined ? "ask" : `ask in ${fragments(Buffer.alloc(10)).length + 1}`);
      return { replies: [1] };
    },
    until: async () => {},
    pause: async (duration: number) => void done.push(`pause ${duration}`),
  };
  return { conversation: conversation as unknown as Conversation, client, done };
}

function context(given: Partial<LoadContext> = {}): LoadContext {
  return {
    requests: 3,
    interval: 40,
    readRate: undefined,
    random: randomFrom(1),
    signalled: Promise.resolve(),
    ...given,
  };
}

async function played(name: (typeof profileNames)[number], looks?: number): Promise<string[]> {
  const { conversation, done } = fake(looks);
  await profiles[name].load(conversation, context());
  return done;
}

const asks = ["ask", "ask", "ask"];

describe("the load", () => {
  it.each(["pipelined", "silent-peer", "handshake", "far"] as const)(
    "of %s is all requests at once",
    async (name) => {
      expect(await played(name)).toEqual(asks);
    },
  );

  it("of accept-queue is one request", async () => {
    expect(await played("accept-queue")).toEqual(["ask"]);
  });

  it("of closed-loop is one request behind the other, as long as the connection is open", async () => {
    expect(await played("closed-loop")).toEqual(asks);
    expect((await played("closed-loop", 2)).length).toBeLessThan(3);
  });

  it("of stream is a request at each tick of the clock, as long as the connection is open", async () => {
    expect(await played("stream")).toEqual(["ask", "pause 40", "ask", "pause 40", "ask"]);
    expect(await played("stream", 3)).toEqual(["ask", "pause 40"]);
  });

  it("of slow-reader is a rest from the signal on", async () => {
    const { conversation, done } = fake();
    let signal!: () => void;
    const signalled = new Promise<void>((resolve) => (signal = resolve));
    const loading = profiles["slow-reader"].load(conversation, context({ signalled }));
    expect(done).toEqual(asks);
    signal();
    await loading;
    expect(done).toEqual([...asks, "stop reading", "pause 1000", "read on"]);
  });

  it("of slow-reader is a rate from the start, and no rest, where one is given", async () => {
    const { conversation, done } = fake();
    await profiles["slow-reader"].load(conversation, context({ readRate: 50_000 }));
    expect(done).toEqual(["read 50000 bytes a second", ...asks]);
  });

  it("of half-close and mid-frame ends with what they are named for", async () => {
    expect(await played("half-close")).toEqual([...asks, "half-close"]);
    expect(await played("mid-frame")).toEqual([...asks, "half a frame"]);
  });

  it("of abort resets at the signal, and not before", async () => {
    const { conversation, done } = fake();
    let signal!: () => void;
    const signalled = new Promise<void>((resolve) => (signal = resolve));
    const loading = profiles.abort.load(conversation, context({ signalled }));
    expect(done).toEqual(asks);
    signal();
    await loading;
    expect(done).toEqual([...asks, "reset"]);
  });

  it("of late-sender goes on through the Close, and answers it then", async () => {
    const done = await played("late-sender", 30);
    expect(done.slice(0, 3)).toEqual(asks);
    expect(done.at(-1)).toBe("close");
    expect(done.slice(-7)).toEqual(["ask", "pause 10", "ask", "pause 10", "ask", "pause 10", "close"]);
  });

  it("of flood is Pings until the Close, and none to a server that does not read", async () => {
    const { conversation, client, done } = fake(4);
    await profiles.flood.load(conversation, context());
    const round = [...Array.from({ length: 5 }, () => "ping"), "pause 10"];
    expect(done).toEqual([...asks, ...round, ...round, ...round, ...round]);
    const full = fake(2);
    full.client.bufferedBytes = 64 * 1024;
    await profiles.flood.load(full.conversation, context());
    expect(full.done).toEqual([...asks, "pause 10", "pause 10"]);
    expect(client.bufferedBytes).toBe(0);
  });

  it("of fragmented is each request in three parts, whose lengths fit", async () => {
    expect(await played("fragmented")).toEqual(["ask in 3", "ask in 3", "ask in 3"]);
    const lengths: number[][] = [];
    const conversation = {
      ask: (fragments: (message: Buffer) => number[]) => {
        for (const size of [0, 1, 2, 10]) lengths.push([size, ...fragments(Buffer.alloc(size))]);
      },
    } as unknown as Conversation;
    await profiles.fragmented.load(conversation, context({ requests: 500 }));
    for (const [size, first, second] of lengths) expect(first! + second!).toBeLessThanOrEqual(size!);
    // Empty fragments are allowed, and have to be tried.
    expect(lengths.some(([size, first]) => size === 10 && first === 0)).toBe(true);
  });
});

/** Who was asked what, and what came back: a conversation with a client that a test plays. */
import { describe, expect, it } from "vitest";
import type { Client, ClientListener } from "../../src/drill/client.js";
import { Conversation, type Company, type Request } from "../../src/drill/conversation.js";
import { createDialect, type DialectOptions } from "../../src/drill/dialect.js";
import { noTimers } from "../tools/serve.js";

/** A client in a test's hands, and the conversation that it serves. */
function talk(options: Partial<DialectOptions> = {}, given: Partial<Company> = {}) {
  const errors: unknown[] = [];
  const sent: { data: string | Buffer; told: () => void; fragments: readonly number[] | undefined }[] = [];
  const clock = { now: 0 };
  const client = { isOpen: true, isOver: false, open: async () => {}, destroy: () => {} };
  let listener!: ClientListener;
  let n = 0;
  const defaults = { message: undefined, reply: "echo", open: undefined, openAck: undefined, script: {} };
  const company: Company = {
    dialect: createDialect({ ...defaults, ...options }),
    now: () => clock.now,
    random: () => 0.5,
    nextNumber: () => ++n,
    size: 0,
    onError: (error) => errors.push(error),
    ...given,
  };
  const conversation = new Conversation(7, "profile", company, (heard) => {
    listener = heard;
    const send = (data: string | Buffer, told: () => void, fragments?: readonly number[]): void =>
      void sent.push({ data, told, fragments });
    return Object.assign(client, { send }) as unknown as Client;
  });
  /** A message of the server's at this time. */
  const hear = (message: string | Buffer, at = clock.now): void => {
    clock.now = at;
    listener.onMessage(message);
  };
  /** The system has taken what was sent. */
  const take = (index: number, at: number): void => {
    clock.now = at;
    sent[index]!.told();
  };
  return { conversation, client, sent, errors, clock, hear, take, listener };
}

function answeredAt(requests: readonly Request[]): number[][] {
  return requests.map(({ replies }) => replies);
}

describe("a request", () => {
  it("has a number and an id that nobody else has, and was sent when the system took it", () => {
    const { conversation, sent, take } = talk();
    const [first, second] = [conversation.ask(), conversation.ask()];
    expect([first.n, second.n]).toEqual([1, 2]);
    expect(first.id).not.toBe(second.id);
    expect(first.sentAt).toBeUndefined();
    take(0, 12);
    expect(first.sentAt).toBe(12);
    expect(second.sentAt).toBeUndefined();
    expect(sent.map(({ data }) => data)).toEqual([first.id, second.id]);
    expect(conversation.requests).toEqual([first, second]);
  });

  it("tells its message the connection, its place on it, and the size", () => {
    const seen: unknown[] = [];
    const script = { request: (...args: unknown[]) => String(seen.push(args)) };
    const { conversation } = talk({ script }, { size: 500 });
    conversation.ask();
    const { n, id } = conversation.ask();
    expect(seen[1]).toEqual([n, { id, connection: 7, number: 2, size: 500 }]);
  });

  it("is sent in the fragments that its bytes are cut into", () => {
    const { conversation, sent } = talk({ message: "größer {id}" });
    const { id } = conversation.ask((message) => [message.length]);
    expect(sent[0]!.fragments).toEqual([Buffer.byteLength(`größer ${id}`)]);
    conversation.ask();
    expect(sent[1]!.fragments).toBeUndefined();
  });

  it("with a reply was sent by then, though the system has not told it yet", () => {
    const { conversation, hear, take } = talk();
    const request = conversation.ask();
    hear(request.id, 5);
    expect(request).toMatchObject({ sentAt: 5, replies: [5] });
    take(0, 9);
    expect(request.sentAt).toBe(5);
  });
});

describe("a reply", () => {
  it("answers each request that it names, once, and only those of this connection", () => {
    const { conversation, hear } = talk();
    const requests = [conversation.ask(), conversation.ask(), conversation.ask()];
    const [a, , c] = requests.map(({ id }) => id);
    hear(`${a} and ${c} and ${a} and lc-0000-1`, 3);
    expect(answeredAt(requests)).toEqual([[3], [], [3]]);
    expect(conversation).toMatchObject({ answered: 2, otherMessages: 0 });
    hear(Buffer.from(a!), 4);
    expect(answeredAt(requests)).toEqual([[3, 4], [], [3]]);
    expect(conversation.answered).toBe(2);
  });

  it("by a broadcast that names others' requests answers nothing here", () => {
    const { conversation, hear } = talk();
    const { id, replies } = conversation.ask();
    hear(`${id}0`);
    hear("lc-0000-1");
    hear("welcome");
    expect(replies).toEqual([]);
    expect(conversation.otherMessages).toBe(3);
  });

  it("by a number answers the request of that number", () => {
    const { conversation, hear } = talk({ reply: "json:id" });
    const request = conversation.ask();
    hear('{"id":2}');
    hear(`{"id":"${request.n}"}`, 8);
    expect(request.replies).toEqual([8]);
    expect(conversation.otherMessages).toBe(1);
  });

  it("by order answers the oldest request, and nothing when all are answered", () => {
    const { conversation, hear } = talk({ reply: "order" });
    hear("greeting");
    const requests = [conversation.ask(), conversation.ask()];
    hear("x", 1);
    hear("y", 2);
    hear("z", 3);
    expect(answeredAt(requests)).toEqual([[1], [2]]);
    expect(conversation.otherMessages).toBe(2);
  });

  it("that comes again and again is not kept without end", () => {
    const { conversation, hear } = talk();
    const { id, replies } = conversation.ask();
    for (let times = 0; times < 1_000; times++) hear(id);
    expect(replies).toHaveLength(10);
    expect(conversation.answered).toBe(1);
  });
});

describe("opening", () => {
  it("is done with the upgrade when nothing has to be said", async () => {
    const { conversation, clock, sent } = talk();
    clock.now = 4;
    expect(conversation.isOpen).toBe(false);
    await conversation.open();
    expect(conversation).toMatchObject({ isOpen: true, upgradeSentAt: 4 });
    expect(sent).toEqual([]);
  });

  it("says what has to be said first, and waits for what has to come back", async () => {
    const { conversation, sent, hear } = talk({ open: "hello", openAck: "welcome" });
    let isDone = false;
    const opening = conversation.open().then(() => (isDone = true));
    hear("please wait");
    await Promise.resolve();
    expect(isDone).toBe(false);
    expect(conversation.isOpen).toBe(false);
    hear("welcome");
    await opening;
    expect(conversation.isOpen).toBe(true);
    expect(sent.map(({ data }) => data)).toEqual(["hello"]);
    // What comes before the load is no reply.
    expect(conversation.otherMessages).toBe(0);
  });

  it("is done when what has to come back has come with the upgrade", async () => {
    const { conversation, sent, hear } = talk({ open: "hello", openAck: "welcome" });
    const opening = conversation.open();
    hear("welcome");
    await opening;
    expect(conversation.isOpen).toBe(true);
    expect(sent).toHaveLength(1);
  });

  it("is over when the connection ends before that", async () => {
    const { conversation, client, listener } = talk({ openAck: "welcome" });
    const opening = conversation.open();
    await Promise.resolve();
    client.isOpen = false;
    listener.onEnding();
    await opening;
    expect(conversation.isOpen).toBe(false);
  });

  it("of a connection that is over has no time, and of one that is refused says nothing", async () => {
    const over = talk({ open: "hello" });
    Object.assign(over.client, { isOpen: false, isOver: true });
    await over.conversation.open();
    expect(over.conversation.upgradeSentAt).toBeUndefined();
    const refused = talk({ open: "hello" });
    refused.client.isOpen = false;
    await refused.conversation.open();
    expect(refused.conversation.upgradeSentAt).toBe(0);
    expect(refused.sent).toEqual([]);
  });
});

describe("waiting", () => {
  it("ends when the condition holds, which is looked at when something comes or ends", async () => {
    const { conversation, hear, listener, client } = talk();
    const { id, replies } = conversation.ask();
    await conversation.until(() => true);
    const waiting = conversation.until(() => replies.length > 0);
    hear(id);
    await waiting;
    const ending = conversation.until(() => client.isOver);
    client.isOver = true;
    listener.onEnded();
    await ending;
  });

  it("for a time ends when that is over", async () => {
    const { conversation } = talk();
    const began = performance.now();
    await conversation.pause(20);
    expect(performance.now() - began).toBeGreaterThanOrEqual(18);
  });

  it("for a time ends early when the connection is over, without a timer left", async () => {
    const timers = await noTimers();
    const { conversation, client } = talk();
    const pause = conversation.pause(60_000);
    expect(timers()).toBe(1);
    client.isOver = true;
    conversation.destroy();
    await pause;
    expect(timers()).toBe(0);
  });
});

describe("an error of the user's script", () => {
  it("is told to the drill, wherever it is thrown", async () => {
    const lost = () => {
      throw new Error("lost");
    };
    const { conversation, errors, hear } = talk({ script: { open: lost, request: lost, match: lost } });
    void conversation.open();
    await Promise.resolve();
    conversation.ask();
    hear("reply");
    await Promise.resolve();
    expect(errors.map(String)).toEqual(
      ["open", "request", "match"].map((name) => expect.stringContaining(`${name}() threw: lost.`)),
    );
  });
});

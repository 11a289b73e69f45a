/** The drill's client against servers on plain sockets: what it notes, what it says, and how it misbehaves. */
import { describe, expect, it, onTestFinished } from "vitest";
import { Client, wellBehaved, type Behaviour } from "../../src/drill/client.js";
import { freePort } from "../../src/drill/listening.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { eventually, noTimers } from "../tools/serve.js";
import { bound } from "../tools/timing.js";
import { rawServer, type RawPeer, type RawServer } from "./raw-server.js";

interface Tried {
  client: Client;
  /** What its listener was told, in order. */
  told: string[];
}

function tried(
  port: number,
  behaviour: Partial<Behaviour> = {},
  tls?: { servername: string; insecure: boolean },
): Tried {
  const told: string[] = [];
  const listener = {
    onMessage: (data: string | Buffer) =>
      void told.push(typeof data === "string" ? data : `binary ${data.toString("hex")}`),
    onEnding: () => void told.push("ending"),
    onEnded: () => void told.push("ended"),
  };
  const target = {
    endpoint: { host: "127.0.0.1", port, tls },
    host: `127.0.0.1:${port}`,
    path: "/",
    subprotocol: undefined,
    headers: [],
  };
  const client = new Client(target, { ...wellBehaved, ...behaviour }, () => performance.now(), listener);
  onTestFinished(() => client.destroy());
  return { client, told };
}

/** Connects and opens, while the server does this. */
async function meet(
  server: RawServer,
  behaviour: Partial<Behaviour> = {},
  greet: (peer: RawPeer) => Promise<void> = (peer) => peer.open(),
  tls?: { servername: string; insecure: boolean },
): Promise<Tried & { peer: RawPeer }> {
  const { client, told } = tried(server.port, behaviour, tls);
  await client.connect();
  const opening = client.open();
  const peer = await server.accept();
  await greet(peer);
  await opening;
  return { client, told, peer };
}

async function opened(behaviour: Partial<Behaviour> = {}): Promise<Tried & { peer: RawPeer }> {
  return meet(await rawServer(), behaviour);
}

describe("a handshake", () => {
  it("that is accepted opens the connection, and is noted when it happened", async () => {
    const before = performance.now();
    const { client, told } = await opened();
    expect(client).toMatchObject({ isOpen: true, isOver: false, refused: undefined });
    expect(client.connectedAt).toBeGreaterThanOrEqual(before);
    expect(client.openedAt).toBeGreaterThanOrEqual(client.connectedAt!);
    expect(told).toEqual([]);
  });

  it("may be answered byte by byte, and with messages right behind it", async () => {
    const { client, told, peer } = await meet(await rawServer(), {}, async (peer) => {
      peer.socket.setNoDelay(true);
      const head = Buffer.from(await peer.answer());
      const greeting = encodeFrame(Opcode.text, "welcome");
      for (const byte of head.subarray(0, -1)) {
        await new Promise((resolve) => peer.socket.write(Buffer.from([byte]), resolve));
      }
      peer.socket.write(Buffer.concat([head.subarray(-1), greeting]));
    });
    await eventually(() => told.length > 0);
    expect(told).toEqual(["welcome"]);
    expect(client.isOpen).toBe(true);
    expect(peer.log).toEqual([]);
  });

  it("that is refused in words of HTTP is an answer; the client ends TCP, whatever the body", async () => {
    const { client, told, peer } = await meet(await rawServer(), {}, async (peer) => {
      await peer.asked();
      peer.socket.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 500\r\n\r\nbusy");
    });
    expect(client).toMatchObject({
      isOpen: false,
      isOver: false,
      refused: "HTTP 503",
      refusedByAnswer: true,
    });
    expect(client.refusedAt).toBeGreaterThan(0);
    await peer.saw("FIN");
    peer.socket.end("more of the body");
    await eventually(() => client.isOver);
    // It never was open, so nothing of it ends.
    expect(told).toEqual(["ended"]);
  });

  it("that is answered by something else than HTTP is refused, before it is asked, too", async () => {
    const server = await rawServer();
    const { client } = tried(server.port);
    await client.connect();
    const peer = await server.accept();
    peer.socket.write("SSH-2.0-OpenSSH\r\n");
    await eventually(() => client.refused !== undefined);
    await client.open();
    expect(client).toMatchObject({ refused: "an answer that is not HTTP", refusedByAnswer: false });
    await peer.saw("FIN");
    expect(peer.head).toBeUndefined();
  });

  it.each<[string, string, (peer: RawPeer) => void]>([
    ["a FIN", "ended without an answer", (peer) => peer.end()],
    ["a reset", "reset without an answer", (peer) => peer.reset()],
  ])("that is answered by %s is refused, and over", async (_, refused, act) => {
    const { client, told } = await meet(await rawServer(), {}, async (peer) => {
      await peer.asked();
      act(peer);
    });
    expect(client).toMatchObject({ refused, refusedByAnswer: false, isOpen: false });
    await eventually(() => client.isOver);
    expect(client.endedFirst).toBe("server");
    expect(told).toEqual(["ended"]);
  });

  it("does not begin where nobody listens", async () => {
    const { client, told } = tried(await freePort());
    await client.connect();
    await client.open();
    expect(client).toMatchObject({ refused: "ECONNREFUSED", isOver: true, connectedAt: undefined });
    expect(told).toEqual(["ended"]);
  });

  it("that is not answered is given up when that is asked for, with a FIN; one that is answered is not", async () => {
    const server = await rawServer();
    const { client, told } = tried(server.port);
    await client.connect();
    const opening = client.open();
    const peer = await server.accept();
    await peer.asked();
    client.giveUp();
    await opening;
    expect(client).toMatchObject({ refused: "no answer", refusedByAnswer: false, isOver: false });
    await peer.saw("FIN");
    // Too late.
    await peer.open();
    peer.end();
    await eventually(() => client.isOver);
    expect(client.openedAt).toBeUndefined();
    expect(told).toEqual(["ended"]);
    const { client: open } = await meet(server);
    open.giveUp();
    expect(open).toMatchObject({ isOpen: true, refused: undefined });
  });

  it("is given up while it connects", async () => {
    const server = await rawServer();
    const { client, told } = tried(server.port);
    const connecting = client.connect();
    client.giveUp();
    await connecting;
    expect(client).toMatchObject({ connectedAt: undefined, refused: "no answer", isOver: true });
    expect(told).toEqual(["ended"]);
  });

  it("that is not answered is over when the client is taken down, and nothing is told", async () => {
    const server = await rawServer();
    const { client, told } = tried(server.port);
    await client.connect();
    const opening = client.open();
    await (await server.accept()).asked();
    client.destroy();
    await opening;
    expect(client).toMatchObject({ isOpen: false, isOver: true, refused: undefined });
    expect(told).toEqual([]);
  });

  it("does not begin when the client is taken down while it connects", async () => {
    const server = await rawServer();
    const { client, told } = tried(server.port);
    const connecting = client.connect();
    client.destroy();
    await connecting;
    await client.open();
    expect(client).toMatchObject({ connectedAt: undefined, refused: undefined, isOver: true });
    expect(told).toEqual([]);
  });
});

describe("what a client sends", () => {
  it("is masked, and text or binary as it was given", async () => {
    const { client, peer } = await opened();
    let sent = 0;
    client.send("hello", () => sent++);
    client.send(Buffer.from([1, 2]), () => sent++);
    client.ping("are you there");
    await peer.saw("ping are you there");
    expect(peer.log).toEqual(["text hello", "binary 0102", "ping are you there"]);
    await eventually(() => sent === 2);
  });

  it("comes in fragments with Pings in between, also empty ones, and is one message", async () => {
    const { client, peer } = await opened();
    let sent = 0;
    client.send("größer", () => sent++, [0, 3]);
    client.send("empty", () => sent++, [0, 0]);
    client.send(Buffer.from([1, 2, 3]), () => sent++, [3]);
    await peer.saw("binary 010203");
    expect(peer.log.filter((each) => !each.startsWith("ping"))).toEqual([
      "text größer",
      "text empty",
      "binary 010203",
    ]);
    expect(peer.log.filter((each) => each === "ping between")).toHaveLength(5);
    await eventually(() => sent === 3);
  });

  it("is not sent, and not told as sent, once it has ended", async () => {
    const { client, peer } = await opened();
    client.halfClose();
    client.send("late", () => expect.unreachable());
    client.ping("late");
    client.leave();
    await peer.saw("FIN");
    expect(peer.log).toEqual(["FIN"]);
  });

  it("ends in half a frame, and nothing can follow that, not even the answer to a Close", async () => {
    const { client, peer } = await opened();
    client.send("whole", () => {});
    client.sendHalfFrame();
    client.send("never", () => expect.unreachable());
    await peer.saw("text whole");
    peer.close(1001);
    await eventually(() => client.close !== undefined);
    expect(client.closeSentAt).toBeUndefined();
    peer.end();
    await peer.saw("FIN");
    expect(peer.log).toEqual(["text whole", "FIN"]);
    await eventually(() => client.isOver);
  });

  it("waits in its own buffer while the server does not read", async () => {
    const { client, peer } = await opened();
    peer.socket.pause();
    expect(client.bufferedBytes).toBe(0);
    let sent = 0;
    for (let number = 0; number < 100; number++) client.send(Buffer.alloc(512 * 1024), () => sent++);
    expect(client.bufferedBytes).toBeGreaterThan(2 ** 20);
    await eventually(() => sent > 0);
    expect(sent).toBeLessThan(100);
  });
});

describe("a Ping", () => {
  it("is answered with what it says", async () => {
    const { peer } = await opened();
    peer.sendFrame(Opcode.ping, "one");
    peer.sendFrame(Opcode.ping, "");
    await peer.saw("pong ");
    expect(peer.log).toEqual(["pong one", "pong "]);
  });

  it("is not answered by one that does not", async () => {
    const { client, peer } = await opened({ answersPing: false });
    peer.sendFrame(Opcode.ping, "one");
    peer.sendFrame(Opcode.pong, "unasked");
    peer.close(1001);
    await peer.saw("close 1001");
    expect(peer.log).toEqual(["close 1001"]);
    expect(client.violation).toBeUndefined();
  });
});

describe("the server's Close", () => {
  it("is noted and answered with its code; then the server ends TCP, and the client follows", async () => {
    const { client, told, peer } = await opened();
    peer.say("last words");
    peer.close(1012, "restart");
    await peer.saw("close 1012");
    expect(client.close).toMatchObject({ code: 1012, reason: "restart" });
    expect(client).toMatchObject({ isOpen: false, isOver: false, finSentAt: undefined });
    client.send("too late", () => expect.unreachable());
    peer.end();
    await peer.saw("FIN");
    await eventually(() => client.isOver);
    expect(peer.log).toEqual(["close 1012", "FIN"]);
    expect(told).toEqual(["last words", "ending", "ended"]);
    const { close, closeSentAt, finAt, finSentAt, endedAt, endedFirst, resetAt } = client;
    const times = [client.openedAt!, close!.at, closeSentAt!, finAt!, finSentAt!, endedAt!];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect({ endedFirst, resetAt }).toEqual({ endedFirst: "server", resetAt: undefined });
  });

  it("leaves no timer behind when both are over, and when the client is taken down", async () => {
    const timers = await noTimers();
    const [first, second] = [await opened(), await opened()];
    for (const { peer } of [first, second]) {
      peer.close(1001);
      await peer.saw("close 1001");
    }
    expect(timers()).toBe(2);
    first.peer.end();
    await eventually(() => first.client.isOver);
    second.client.destroy();
    expect(timers()).toBe(0);
  });

  it("without a code is answered by one without a code", async () => {
    const { client, peer } = await opened();
    peer.sendFrame(Opcode.close);
    await peer.saw("close 1005");
    expect(client.close).toMatchObject({ code: 1005, reason: "" });
  });

  it("of a server that does not end TCP is followed by the client's own FIN, after a while", async () => {
    const { client, peer } = await opened();
    peer.close(1001);
    await peer.saw("FIN");
    expect(peer.log).toEqual(["close 1001", "FIN"]);
    const waited = client.finSentAt! - client.closeSentAt!;
    expect(waited).toBeGreaterThan(1_900);
    expect(waited).toBeLessThan(bound(2_000));
    expect(client).toMatchObject({ endedFirst: "server", isOver: false });
  });

  it("is never answered by one that does not, whoever asks; a FIN is", async () => {
    const { client, peer } = await opened({ answersClose: "never" });
    peer.close(1001);
    await eventually(() => client.close !== undefined);
    client.answerClose();
    peer.end();
    await peer.saw("FIN");
    expect(peer.log).toEqual(["FIN"]);
    await eventually(() => client.isOver);
    expect(client.closeSentAt).toBeUndefined();
  });

  it("is answered later by one that goes on sending, behind the FIN as well", async () => {
    const { client, peer } = await opened({ answersClose: "behind more" });
    client.answerClose();
    peer.close(1001);
    peer.end();
    await eventually(() => client.finAt !== undefined);
    client.send("behind the Close", () => {});
    expect(client.isOver).toBe(false);
    client.answerClose();
    client.answerClose();
    client.send("behind the answer", () => expect.unreachable());
    await peer.saw("FIN");
    expect(peer.log).toEqual(["text behind the Close", "close 1001", "FIN"]);
    await eventually(() => client.isOver);
    // The server's FIN has come: there is nothing to wait for.
    expect(client.finSentAt! - client.closeSentAt!).toBeLessThan(1_000);
  });
});

describe("an end without a Close", () => {
  it("by a FIN is noted, and answered by a FIN", async () => {
    const { client, told, peer } = await opened();
    peer.end();
    await peer.saw("FIN");
    await eventually(() => client.isOver);
    expect(client).toMatchObject({ close: undefined, resetAt: undefined, endedFirst: "server" });
    expect(client.finAt).toBeDefined();
    expect(told).toEqual(["ending", "ended"]);
  });

  it("by a reset is noted", async () => {
    const { client, told, peer } = await opened();
    peer.reset();
    await eventually(() => client.isOver);
    expect(client).toMatchObject({
      close: undefined,
      finAt: undefined,
      endedFirst: "server",
      violation: undefined,
    });
    expect(client.resetAt).toBeLessThanOrEqual(client.endedAt!);
    expect(told).toEqual(["ending", "ended"]);
  });

  it("by a reset behind the Close keeps the Close", async () => {
    const { client, peer } = await opened({ answersClose: "never" });
    peer.close(1001);
    await eventually(() => client.close !== undefined);
    peer.reset();
    await eventually(() => client.isOver);
    expect(client.close).toMatchObject({ code: 1001 });
    expect(client.resetAt).toBeGreaterThanOrEqual(client.close!.at);
  });
});

describe("a server that breaks the protocol", () => {
  it.each<[string, string, (peer: RawPeer) => void]>([
    ["a masked frame", "masked", (peer) => peer.sendFrame(Opcode.text, "x", Buffer.from([1, 2, 3, 4]))],
    [
      "a compressed frame",
      "reserved bit",
      (peer) => peer.socket.write(encodeFrame(Opcode.text, "x", { compressed: true })),
    ],
    [
      "a frame that claims 65 MB",
      "over 67108864 bytes",
      (peer) => peer.socket.write(Buffer.from([0x82, 127, 0, 0, 0, 0, 5, 0, 0, 0])),
    ],
    [
      "a Close with a code that may not be sent",
      "1005",
      (peer) => peer.sendFrame(Opcode.close, Buffer.from([3, 237])),
    ],
  ])("by %s is noted with its words, and the connection ended", async (_, words, act) => {
    const { client, told, peer } = await opened();
    act(peer);
    await peer.saw("FIN");
    // A limit of the drill is no breach of the protocol.
    expect(words.startsWith("over") ? client.failure : client.violation).toContain(words);
    expect(client).toMatchObject({ isOpen: false, close: undefined });
    peer.say("too late");
    peer.end();
    await eventually(() => client.isOver);
    expect(told).toEqual(["ending", "ended"]);
  });
});

describe("a client that leaves", () => {
  it("says Close, waits for that of the server, and has ended it first", async () => {
    const { client, told, peer } = await opened();
    client.leave();
    client.leave();
    await peer.saw("close 1000");
    peer.close(1000);
    peer.end();
    await peer.saw("FIN");
    await eventually(() => client.isOver);
    expect(peer.log).toEqual(["close 1000", "FIN"]);
    expect(client).toMatchObject({ endedFirst: "client", close: { code: 1000 } });
    expect(told).toEqual(["ending", "ended"]);
  });

  it("by a FIN alone reads on", async () => {
    const { client, told, peer } = await opened();
    client.halfClose();
    await peer.saw("FIN");
    peer.say("reply");
    peer.close(1000);
    peer.end();
    await eventually(() => client.isOver);
    expect(told).toEqual(["reply", "ending", "ended"]);
    expect(client).toMatchObject({ endedFirst: "client", close: { code: 1000 }, closeSentAt: undefined });
    expect(peer.log).toEqual(["FIN"]);
  });

  it("by a reset is over at once, and the server sees it", async () => {
    const { client, told, peer } = await opened();
    client.reset();
    client.reset();
    client.send("late", () => expect.unreachable());
    await peer.saw("ECONNRESET");
    await eventually(() => client.isOver);
    expect(client).toMatchObject({ endedFirst: "client", resetAt: undefined, refused: undefined });
    expect(told).toEqual(["ending", "ended"]);
    client.reset();
  });

  it("when it is taken down tells nothing", async () => {
    const { client, told, peer } = await opened();
    client.destroy();
    peer.say("late");
    await eventually(() => peer.log.length > 0);
    client.reset();
    client.answerClose();
    expect(client).toMatchObject({ isOpen: false, isOver: true, endedAt: undefined });
    expect(told).toEqual([]);
  });
});

describe("a client that does not read", () => {
  it("hears nothing until it reads on", async () => {
    const server = await rawServer();
    const slow = await meet(server);
    const other = await meet(server);
    slow.client.stopReading();
    slow.peer.say("unread");
    // What another client is told later on the same machine has come.
    slow.peer.socket.write("", () => other.peer.say("read"));
    await eventually(() => other.told.length > 0);
    expect(slow.told).toEqual([]);
    slow.client.readOn();
    await eventually(() => slow.told.length > 0);
    expect(slow.told).toEqual(["unread"]);
  });
});

describe("a client that reads at a rate", () => {
  it("takes no more in a time than that, loses nothing, and hears of the end", async () => {
    const { client, told, peer } = await opened();
    const [rate, messages, length] = [200_000, 20, 4_000];
    const began = performance.now();
    client.readAt(rate);
    for (let sent = 0; sent < messages; sent++) peer.say("x".repeat(length));
    peer.socket.end();
    await eventually(() => client.isOver);
    const least = ((messages * length) / rate) * 1_000;
    expect(performance.now() - began).toBeGreaterThan(least * 0.95);
    expect(told.filter((each) => each.length === length)).toHaveLength(messages);
    expect(told.slice(-2)).toEqual(["ending", "ended"]);
  });

  it("leaves no timer when it is destroyed", async () => {
    const { client } = await opened();
    const timers = await noTimers();
    client.readAt(1_000);
    client.destroy();
    expect(timers()).toBe(0);
  });
});

describe("a far client", () => {
  const delay = 60;

  it("is told, and heard, half a round trip later, in order", async () => {
    const { client, told, peer } = await opened({ delay });
    const began = performance.now();
    expect(client.openedAt! - client.connectedAt!).toBeGreaterThanOrEqual(2 * delay - 1);
    let sentAt: number | undefined;
    client.send("one", () => (sentAt = performance.now()));
    client.send("two", () => {});
    // On its link, it is out of the client's hands.
    expect(sentAt! - began).toBeLessThan(delay);
    await peer.saw("text two");
    expect(performance.now() - began).toBeGreaterThanOrEqual(delay - 1);
    expect(peer.log).toEqual(["text one", "text two"]);
    peer.say("reply");
    peer.close(1001);
    const replied = performance.now();
    await eventually(() => client.close !== undefined);
    expect(client.close!.at - replied).toBeGreaterThanOrEqual(delay - 2);
    expect(told[0]).toBe("reply");
    await peer.saw("close 1001");
    peer.end();
    await eventually(() => client.isOver);
  });

  it("that is taken down leaves nothing on its way", async () => {
    const { client, told, peer } = await opened({ delay });
    client.send("on its way", () => {});
    peer.say("on its way");
    peer.close(1001);
    client.destroy();
    await eventually(() => peer.log.length > 0);
    expect(peer.log).not.toContain("text on its way");
    expect(told).toEqual([]);
  });
});

describe.skipIf(!hasOpenssl)("over TLS", () => {
  const insecure = { servername: "", insecure: true };

  it("all is the same: messages, a Close, FINs", async () => {
    const { client, told, peer } = await meet(
      await rawServer(selfSignedCertificate()),
      {},
      undefined,
      insecure,
    );
    client.send("hello", () => {});
    await peer.saw("text hello");
    peer.say("reply");
    peer.close(1001);
    await peer.saw("close 1001");
    peer.end();
    await peer.saw("FIN");
    await eventually(() => client.isOver);
    expect(told).toEqual(["reply", "ending", "ended"]);
    expect(client).toMatchObject({ resetAt: undefined, violation: undefined });
  });

  it("a reset is one", async () => {
    const { client, peer } = await meet(await rawServer(selfSignedCertificate()), {}, undefined, insecure);
    client.reset();
    client.send("late", () => expect.unreachable());
    await peer.saw("ECONNRESET");
    await eventually(() => client.isOver);
    expect(client).toMatchObject({ endedFirst: "client", resetAt: undefined });
  });

  it("a certificate that nobody trusts refuses the connection, unless that is meant", async () => {
    const server = await rawServer(selfSignedCertificate());
    const { client, told } = tried(server.port, {}, { servername: "localhost", insecure: false });
    await client.connect();
    await client.open();
    expect(client.refused).toMatch(/SELF_SIGNED/);
    expect(client.isOver).toBe(true);
    expect(told).toEqual(["ended"]);
  });

  it("a server that speaks none refuses the connection", async () => {
    const server = await rawServer();
    const { client } = tried(server.port, {}, insecure);
    const connecting = client.connect();
    (await server.accept()).socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    await connecting;
    expect(client).toMatchObject({ isOver: true });
    expect(client.refused).toMatch(/^ERR_SSL/);
  });
});

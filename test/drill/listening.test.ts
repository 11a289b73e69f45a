/** Is there a WebSocket server? What the drill does while there is none, and what it says when there never is. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { expectNobody, freePort, untilListening, type Knocking } from "../../src/drill/listening.js";
import { upgradeTarget, type DrillOptions } from "../../src/drill/options.js";
import { Opcode } from "../../src/wire/frame.js";
import type { Exit } from "../../src/drill/servers/running.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { eventually, gate } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";
import { rawServer, type RawPeer, type RawServer } from "./raw-server.js";

const never = new Promise<never>(() => {});

/** Knocks; a server that runs gets half a second, scaled. */
function knocking(given: Partial<Knocking> = {}): Knocking {
  return {
    patience: ms(500),
    exited: never,
    lastWords: async () => "It printed nothing.",
    interrupted: new AbortController().signal,
    ...given,
  };
}

function knock(port: number, given: Partial<Knocking> = {}, options: DrillOptions = {}): Promise<void> {
  return untilListening(upgradeTarget(options, port), knocking(given));
}

/** Answers every connection like this, as it comes. */
async function answering(act: (peer: RawPeer) => unknown): Promise<RawServer> {
  const server = await rawServer();
  let isOver = false;
  onTestFinished(() => void (isOver = true));
  void (async () => {
    for (let index = 0; !isOver; index++) {
      await eventually(() => isOver || server.peers[index] !== undefined);
      if (!isOver) void act(server.peers[index]!);
    }
  })();
  return server;
}

async function refusal(knocked: Promise<void>): Promise<string> {
  const error: unknown = await knocked.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "LASTCALL_DRILL_START" });
  return (error as Error).message;
}

describe("a free port", () => {
  it("is one on which nobody listens, and another one each time", async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    expect(new Set(ports).size).toBe(3);
    for (const port of ports) {
      const [error] = (await once(connect(port, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
      expect(error.code).toBe("ECONNREFUSED");
    }
  });
});

describe("a place where nobody should be", () => {
  it("is one where nobody answers, or none of WebSocket", async () => {
    await expectNobody(upgradeTarget({}, await freePort()));
    const { port } = await answering((peer) => peer.socket.end("SSH-2.0-OpenSSH\r\n"));
    await expectNobody(upgradeTarget({}, port));
  });

  it("is not that of another WebSocket server, which would be drilled instead", async () => {
    const { port } = await answering(async (peer) => {
      await peer.open();
      await peer.saw("close 1000");
      peer.close(1000);
      peer.end();
    });
    expect(await refusal(expectNobody(upgradeTarget({}, port)))).toBe(
      `A WebSocket server answers at ws://127.0.0.1:${port}/ before the command is started, and would be drilled in its place. Stop it, or let the command listen elsewhere ({port}).`,
    );
  });
});

describe("a server that listens", () => {
  it("is entered and left again as a client should", async () => {
    const server = await rawServer();
    // Its timer would be found at the end of this file.
    const knocked = knock(server.port, { patience: 60_000 });
    const peer = await server.accept();
    await peer.open();
    await peer.saw("close 1000");
    peer.close(1000);
    peer.end();
    await knocked;
    await peer.saw("FIN");
    expect(peer.log).toEqual(["close 1000", "FIN"]);
    expect(server.peers).toHaveLength(1);
  });

  it("but does not say goodbye is waited for no longer than a second", async () => {
    const server = await answering((peer) => peer.open());
    const began = performance.now();
    await knock(server.port);
    const waited = performance.now() - began;
    expect(waited).toBeGreaterThan(900);
    expect(waited).toBeLessThan(bound(1_000));
  });

  it("late is knocked at until then", async () => {
    const port = await freePort();
    const knocked = knock(port, { patience: ms(10_000) });
    const server = createServer((socket) => socket.resetAndDestroy());
    onTestFinished(() => void server.close());
    server.listen(port, "127.0.0.1");
    // It resets whoever comes, as one does that is not there yet; then it is there.
    await once(server, "connection");
    server.close();
    await once(server, "close");
    const { WebSocketServer } = await import("ws");
    const there = new WebSocketServer({ port, host: "127.0.0.1" });
    onTestFinished(() => there.close());
    await knocked;
  });

  it.each<[string, (peer: RawPeer) => unknown]>([
    ["HTTP 502", async (peer) => (await peer.asked(), peer.socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"))],
    ["HTTP 503", async (peer) => (await peer.asked(), peer.socket.end("HTTP/1.1 503 Busy\r\n\r\n"))],
    ["HTTP 504", async (peer) => (await peer.asked(), peer.socket.end("HTTP/1.1 504 Late\r\n\r\n"))],
    ["a FIN", (peer) => peer.end()],
    ["a reset", (peer) => peer.reset()],
  ])("behind a proxy that says first %s is knocked at again", async (_, refuse) => {
    let knocks = 0;
    const server = await answering((peer) => (++knocks < 3 ? refuse(peer) : peer.open()));
    await knock(server.port, { patience: ms(10_000) });
    expect(knocks).toBe(3);
  });
});

describe("a port on which nobody listens", () => {
  it("is told with the server's last words, when the time is up", async () => {
    const port = await freePort();
    const began = performance.now();
    const lastWords = async () => "It printed: port in use";
    expect(await refusal(knock(port, { patience: 300, lastWords }))).toBe(
      `Nothing listens at ws://127.0.0.1:${port}/ after 0.3 s. Does the server listen on the port in PORT, or on another one (\`url\`)? It printed: port in use`,
    );
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
  });

  it("is told at once where there is nothing to wait for, without a query that may hold a token", async () => {
    const port = await freePort();
    const url = `ws://127.0.0.1:${port}/chat?token=secret`;
    const lastWords = async () => "";
    expect(await refusal(knock(port, { patience: 0, lastWords }, { url }))).toBe(
      `Nothing listens at ws://127.0.0.1:${port}/chat. Does the server listen on the port in PORT, or on another one (\`url\`)?`,
    );
  });
});

describe("a server that is none of WebSocket", () => {
  it("is told by the status that it answers with", async () => {
    const server = await answering(async (peer) => {
      await peer.asked();
      peer.socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
    });
    expect(await refusal(knock(server.port))).toBe(
      `ws://127.0.0.1:${server.port}/ answered the WebSocket handshake with HTTP 404. Give the right path (\`url\`), or what it asks for (\`headers\`, \`subprotocol\`).`,
    );
    expect(server.peers).toHaveLength(1);
  });

  it("is told when it speaks something else, at once", async () => {
    const server = await answering((peer) => peer.socket.write("220 mail.example.org ESMTP\r\n"));
    expect(await refusal(knock(server.port, { patience: 60_000 }))).toBe(
      `ws://127.0.0.1:${server.port}/ is no WebSocket server that the drill can talk to: an answer that is not HTTP.`,
    );
  });

  it.each<[string, string, (peer: RawPeer) => void]>([
    ["a Close", "a Close 1008 who are you", (peer) => peer.close(1008, "who are you")],
    [
      "a masked frame",
      "a masked frame from a server",
      (peer) => peer.sendFrame(Opcode.text, "x", Buffer.alloc(4)),
    ],
  ])("or that ends the connection at once by %s, is told so", async (_, how, end) => {
    const server = await answering(async (peer) => {
      peer.socket.cork();
      await peer.open();
      end(peer);
      peer.socket.uncork();
    });
    expect(await refusal(knock(server.port, { patience: 60_000 }))).toBe(
      `ws://127.0.0.1:${server.port}/ is no WebSocket server that the drill can talk to: ${how} right behind the handshake.`,
    );
  });

  it("is told when it says nothing", async () => {
    const server = await rawServer();
    expect(await refusal(knock(server.port, { patience: 0 }))).toBe(
      `ws://127.0.0.1:${server.port}/ accepts connections but does not answer a WebSocket handshake. Is it a WebSocket server, and the right port?`,
    );
    // Whoever knocked is gone.
    const [peer] = server.peers;
    await peer!.saw("FIN");
  });

  it.skipIf(!hasOpenssl)("that the drill can trust is told by its certificate", async () => {
    const server = await rawServer(selfSignedCertificate());
    const url = `wss://localhost:${server.port}/`;
    expect(await refusal(knock(server.port, {}, { url }))).toMatch(
      /^wss:\/\/localhost:\d+\/ has a certificate that is not trusted \(\w*SELF_SIGNED\w*\)\. Give `insecure` if that is meant\.$/,
    );
  });
});

describe("a server that ends", () => {
  it.each<[Partial<Exit>, string]>([
    [{ code: 3 }, "exit code 3"],
    [{ signal: "SIGSEGV" }, "SIGSEGV"],
    [{}, "unknown cause"],
  ])("before it listens is told with its last words: %j", async (exit, how) => {
    const exited = Promise.resolve({ code: undefined, signal: undefined, at: 0, ...exit });
    const knocked = knock(await freePort(), { exited, patience: 60_000 });
    expect(await refusal(knocked)).toBe(
      `The server ended with ${how} before it listened. It printed nothing.`,
    );
  });

  it("while it is waited for is told at once", async () => {
    const server = await rawServer();
    const ended = gate();
    const exited = ended.passed.then(() => ({ code: 0, signal: undefined, at: 0 }));
    const knocked = refusal(knock(server.port, { exited, patience: 60_000 }));
    await (await server.accept()).asked();
    ended.open();
    expect(await knocked).toMatch(/^The server ended with exit code 0 before it listened\./);
  });
});

describe("a drill that is interrupted", () => {
  it("knocks no more, also when nobody answers", async () => {
    const server = await rawServer();
    const controller = new AbortController();
    const knocked = knock(server.port, { interrupted: controller.signal, patience: 60_000 });
    await (await server.accept()).asked();
    controller.abort();
    await knocked;
    await knock(server.port, { interrupted: controller.signal });
    expect(server.peers).toHaveLength(1);
  });
});

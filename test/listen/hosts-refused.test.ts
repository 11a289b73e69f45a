/** Targets that cannot be listened on: one clear error at once, and nothing else on them is disturbed. */
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import * as net from "node:net";
import {
  connect as connectTls,
  createServer as createTlsServer,
  type ConnectionOptions as TlsConnectionOptions,
} from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { createServer, InvalidOptionError, LastcallError, ServerStateError } from "../../src/index.js";
import { selfSignedCertificate } from "../tools/certificate.js";
import { hasOpenssl } from "../tools/debian.js";
import { openRaw } from "../tools/raw-client.js";
import { runNode } from "../tools/run-process.js";
import { eventually, gate } from "../tools/serve.js";
import { echo, httpServer, listenersOf, listening, LOCAL } from "./hosts.js";

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "resolved",
    (error: unknown) => error,
  );
}

describe("a caller's server that was closed", () => {
  const KINDS = [
    ["http.Server", () => createHttpServer()],
    ["net.Server", () => net.createServer()],
  ] as const;
  const closed = {
    code: "LASTCALL_SERVER_STATE",
    message: "The server given to listen() was closed. Give it after its own listen(), or give a new one.",
  };

  test.for(KINDS)(
    "before is refused at once, and may be given when it listens again: %s",
    async ([, make]) => {
      const theirs: net.Server = await listening(make());
      theirs.close();
      await once(theirs, "close");
      const before = listenersOf(theirs);
      const server = echo("ours");
      const error = await rejection(server.listen(theirs));
      expect(error).toBeInstanceOf(ServerStateError);
      expect(error).toMatchObject(closed);
      expect(listenersOf(theirs)).toEqual(before);
      expect(server.state).toBe("idle");
      await listening(theirs);
      const { port } = await server.listen(theirs);
      await openRaw(port);
    },
  );

  test.for(KINDS)("while it was waited for is refused: %s", async ([, make]) => {
    const theirs: net.Server = make();
    const before = listenersOf(theirs);
    const server = echo("ours");
    const refused = rejection(server.listen(theirs));
    theirs.close();
    expect(await refused).toMatchObject(closed);
    expect(listenersOf(theirs)).toEqual(before);
  });

  test("but has connections left is refused, and they are left alone", async () => {
    const answer = gate();
    const { http, port } = await httpServer((_request, response) => {
      void answer.passed.then(() => response.end("theirs"));
    });
    const asked = once(http, "request");
    const answered = fetch(`http://127.0.0.1:${port}/`);
    await asked;
    http.close();
    expect(await rejection(echo("ours").listen(http))).toMatchObject(closed);
    answer.open();
    expect(await (await answered).text()).toBe("theirs");
  });
});

describe("a file descriptor that is no listening socket", () => {
  test.for(["a file", "nothing that is open"])("is refused at once: %s", async (what) => {
    const file = openSync("/dev/null", "r");
    const fd = what === "a file" ? file : 9_999;
    const server = echo("ours");
    const error = await rejection(server.listen({ fd }));
    closeSync(file);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({
      option: "listen.fd",
      message: `listen.fd must be the descriptor of a bound TCP or Unix socket; it was ${fd}.`,
      cause: { code: "EINVAL", syscall: "listen" },
    });
    expect(server.state).toBe("idle");
    // It can still listen on something else.
    const { port } = await server.listen(LOCAL);
    await openRaw(port);
  });
});

test("a file descriptor that is in use in the process already is refused, and the message says so", async () => {
  // In a process of its own: Node leaves a handle behind that it has made and could not use.
  const program = `
    import { once } from "node:events";
    import { createServer as createNetServer } from "node:net";
    import { createServer } from "lastcall";
    const theirs = createNetServer().listen(0, "127.0.0.1");
    await once(theirs, "listening");
    await createServer(() => {}).listen({ fd: theirs._handle.fd }).catch(({ message }) => console.log(message));
    console.log(theirs.listening);
    theirs.close();`;
  const { exit, stdout } = await runNode(["--input-type=module", "-e", program]);
  expect(exit).toBe(0);
  expect(stdout).toMatch(
    /^listen\.fd must be the descriptor of a bound TCP or Unix socket that nothing else in this process uses; it was \d+\.\ntrue\n$/,
  );
});

describe("a path that is taken", () => {
  test("on the same HTTP server is refused at once, and whoever has it is not disturbed", async () => {
    const { http, port } = await httpServer((_request, response) => response.end("theirs"));
    await echo("first", { path: "/ws" }).listen(http);
    const before = listenersOf(http);
    const second = createServer({ path: "/ws" }, () => {});
    const error = await rejection(second.listen(http));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({
      option: "path",
      message:
        'path must be another one: a server on the same HTTP server has claimed this one already; it was "/ws".',
    });
    expect(listenersOf(http)).toEqual(before);
    const client = await openRaw(port, { path: "/ws" });
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["first: hello"]);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("theirs");
  });
});

describe("a net.Server that is taken", () => {
  test("is refused at once, and whoever has it is not disturbed", async () => {
    const theirs = await listening(net.createServer());
    const first = echo("first");
    const { port } = await first.listen(theirs);
    const before = listenersOf(theirs);
    const second = echo("second");
    expect(await rejection(second.listen(theirs))).toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      option: "listen",
    });
    expect(second.state).toBe("idle");
    expect(listenersOf(theirs)).toEqual(before);
    const client = await openRaw(port);
    client.send("hello");
    await client.received(1);
    expect(client.messages).toEqual(["first: hello"]);
  });
});

describe.skipIf(!hasOpenssl)("a TLS handshake that fails", () => {
  const certificate = hasOpenssl ? selfSignedCertificate() : { key: "", cert: "" };
  const KINDS = [
    ["https.Server", (options: object) => createHttpsServer(options)],
    ["tls.Server", (options: object) => createTlsServer(options)],
  ] as const;

  async function failingHandshake(port: number, options: TlsConnectionOptions): Promise<void> {
    const client = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
    onTestFinished(() => void client.destroy());
    await once(client, "error");
  }

  test.for(KINDS)("for want of a certificate is told to onError, once: %s", async ([, make]) => {
    const errors: LastcallError[] = [];
    const theirs = await listening<net.Server>(make({}));
    const server = createServer({ onError: (error) => errors.push(error as LastcallError) }, () => {});
    onTestFinished(() => void server.close());
    const { port } = await server.listen(theirs);
    for (let attempt = 0; attempt < 3; attempt++) {
      const failed = once(theirs, "tlsClientError");
      await failingHandshake(port, {});
      await failed;
    }
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(LastcallError);
    expect(errors[0]).toMatchObject({
      code: "LASTCALL_TLS_HANDSHAKE",
      cause: { code: expect.stringMatching(/^ERR_SSL_NO_/) as string },
    });
    expect(errors[0]!.message).toMatch(
      /^A client could not come in through TLS \(ERR_SSL_NO_\w+\)\. If all of them fail, look at/,
    );
  });

  test.for(KINDS)("does not disturb others: %s", async ([, make]) => {
    const errors: LastcallError[] = [];
    const theirs = await listening<net.Server>(make({ ...certificate, maxVersion: "TLSv1.2" }));
    const server = createServer({ onError: (error) => errors.push(error as LastcallError) }, () => {});
    onTestFinished(() => void server.close());
    const { port } = await server.listen(theirs);
    await failingHandshake(port, { minVersion: "TLSv1.3" });
    await eventually(() => errors.length === 1);
    expect(errors).toMatchObject([{ cause: { code: expect.stringMatching(/^ERR_SSL_/) as string } }]);
    const trusting = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    onTestFinished(() => void trusting.destroy());
    await once(trusting, "secureConnect");
    expect(errors).toHaveLength(1);
  });

  test("of a client that leaves in the middle is nobody's error", async () => {
    const errors: unknown[] = [];
    const theirs = await listening(createTlsServer(certificate));
    const server = createServer({ onError: (error) => errors.push(error) }, () => {});
    onTestFinished(() => void server.close());
    const { port } = await server.listen(theirs);
    const failed = once(theirs, "tlsClientError");
    const client = net.connect(port, "127.0.0.1");
    await once(theirs, "connection");
    client.resetAndDestroy();
    await failed;
    expect(errors).toEqual([]);
  });
});

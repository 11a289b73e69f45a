/** Where a server listens, and when it cannot. */
import dns from "node:dns";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createNetServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createServer, type Connection, type ListenTarget, type Server } from "../../src/index.js";
import { openRaw, type Target } from "../tools/raw-client.js";
import { eventually, untold } from "../tools/serve.js";
import { bound } from "../tools/timing.js";

const LOCAL = { port: 0, host: "127.0.0.1" };

/** A server that echoes, and names itself to the message "who". It is closed after the test. */
function make(name = "first"): Server {
  const server = createServer(async (connection: Connection) => {
    for await (const message of connection) connection.send(message === "who" ? name : message);
  });
  onTestFinished(() => server.close().then(() => {}));
  return server;
}

/** Which server answers there. */
async function whoIsAt(target: Target): Promise<unknown> {
  const client = await openRaw(target);
  client.send("who");
  await client.received(1);
  client.sendClose(1000);
  await client.closed();
  return client.messages[0];
}

/** A folder for sockets, gone after the test. Short: a socket's path has at most about 100 bytes. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "lastcall-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A port that somebody else listens on. */
async function takenPort(): Promise<number> {
  const other = createNetServer().listen(LOCAL);
  await once(other, "listening");
  onTestFinished(() => void other.close());
  return (other.address() as { port: number }).port;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const other = createNetServer().listen(LOCAL);
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  other.close();
  await once(other, "close");
  return port;
}

describe("a port", () => {
  test("0 is any free one, which listen() resolves with and address() tells", async () => {
    const server = make();
    const address = await server.listen(LOCAL);
    expect(address).toEqual({ address: "127.0.0.1", family: "IPv4", port: expect.any(Number) as number });
    expect(server.address()).toEqual(address);
    expect(server.state).toBe("listening");
    expect(await whoIsAt(address.port)).toBe("first");
  });

  test("may be given as a number: then on all interfaces", async () => {
    const server = make();
    const { port } = await server.listen(0);
    expect(await whoIsAt(port)).toBe("first");
  });

  test("is free again when the server is down", async () => {
    const { port } = await make()
      .listen(LOCAL)
      .then(async (address) => address);
    const first = make();
    const address = await first.listen(LOCAL);
    await first.shutdown();
    expect(first.address()).toBe(null);
    const second = make("second");
    await second.listen({ ...LOCAL, port: address.port });
    expect(await whoIsAt(address.port)).toBe("second");
    expect(port).not.toBe(address.port);
  });

  test("in use rejects listen() and run() with Node's error, and nothing is left", async () => {
    const port = await takenPort();
    const error = { code: "EADDRINUSE", syscall: "listen", port };
    const server = make();
    await expect(server.listen({ ...LOCAL, port })).rejects.toMatchObject(error);
    expect(server.state).toBe("idle");
    expect(server.address()).toBe(null);
    await expect(make().run({ listen: { ...LOCAL, port }, signals: untold })).rejects.toMatchObject(error);
  });

  test("may be tried again after it was in use", async () => {
    const port = await takenPort();
    const server = make();
    await expect(server.listen({ ...LOCAL, port })).rejects.toThrow("EADDRINUSE");
    const address = await server.listen(LOCAL);
    expect(await whoIsAt(address.port)).toBe("first");
  });

  test("at an address that is not ours rejects with Node's error", async () => {
    await expect(make().listen({ port: 0, host: "192.0.2.1" })).rejects.toMatchObject({
      code: "EADDRNOTAVAIL",
    });
  });
});

describe.skipIf(process.platform === "win32")("a Unix socket", () => {
  test("works, and its file is gone afterwards", async () => {
    const path = join(folder(), "s");
    const server = make();
    expect(await server.listen({ path })).toBe(path);
    expect(server.address()).toBe(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    const seen: string[] = [];
    const client = await openRaw(path);
    client.send("who");
    await client.received(1);
    for (const connection of server.connections) seen.push(connection.remoteAddress);
    expect(seen).toEqual([""]);
    await server.shutdown();
    expect(client.close?.code).toBe(1012);
    expect(existsSync(path)).toBe(false);
    expect(server.address()).toBe(null);
  });

  test("leaves no other file behind, neither while it listens nor afterwards", async () => {
    const where = folder();
    const server = make();
    await server.listen({ path: join(where, "s") });
    expect(readdirSync(where)).toEqual(["s"]);
    await server.close();
    expect(readdirSync(where)).toEqual([]);
  });

  test.for(["shutdown", "close"] as const)(
    "a successor's file survives the old server's %s()",
    async (stop) => {
      const path = join(folder(), "s");
      const old = make("old");
      await old.listen({ path });
      unlinkSync(path);
      const successor = make("successor");
      await successor.listen({ path });
      await old[stop]();
      expect(lstatSync(path).isSocket()).toBe(true);
      expect(await whoIsAt(path)).toBe("successor");
      await successor.shutdown();
      expect(existsSync(path)).toBe(false);
    },
  );

  test("may be replaced again and again", async () => {
    const path = join(folder(), "s");
    let current = make("0");
    await current.listen({ path });
    for (const name of ["1", "2", "3", "4", "5"]) {
      unlinkSync(path);
      const next = make(name);
      await next.listen({ path });
      await current.shutdown();
      expect(await whoIsAt(path)).toBe(name);
      current = next;
    }
  });

  test("ends cleanly when somebody removed its file", async () => {
    const path = join(folder(), "s");
    const server = make();
    await server.listen({ path });
    unlinkSync(path);
    expect((await server.shutdown()).outcome).toBe("clean");
  });

  test("in use rejects with EADDRINUSE, and who listens there is not disturbed", async () => {
    const where = folder();
    const path = join(where, "s");
    await make("first").listen({ path });
    const second = make("second");
    const error = { code: "EADDRINUSE", syscall: "listen", address: path };
    await expect(second.listen({ path })).rejects.toMatchObject(error);
    await expect(make().run({ listen: { path }, signals: untold })).rejects.toMatchObject(error);
    expect(second.address()).toBe(null);
    expect(await whoIsAt(path)).toBe("first");
    expect(readdirSync(where)).toEqual(["s"]);
  });

  test("does not take the place of a file that is none", async () => {
    const path = join(folder(), "s");
    writeFileSync(path, "precious");
    await expect(make().listen({ path })).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("in a folder that is not there rejects with Node's error", async () => {
    await expect(make().listen({ path: join(folder(), "nowhere", "s") })).rejects.toMatchObject({
      syscall: "listen",
    });
  });
});

describe.skipIf(process.platform === "win32")("the path of a Unix socket", () => {
  const limit = process.platform === "linux" ? 107 : 103;

  /** A path of so many bytes. */
  function pathOf(length: number, name = ""): string {
    const where = folder();
    const rest = length - where.length - 1 - name.length;
    if (name === "") return join(where, "s".repeat(rest));
    const inner = join(where, "d".repeat(rest - 1));
    mkdirSync(inner);
    return join(inner, name);
  }

  test("may be as long as the system takes", async () => {
    for (const path of [pathOf(limit), pathOf(limit, "s")]) {
      const server = make();
      expect(await server.listen({ path })).toBe(path);
      expect(await whoIsAt(path)).toBe("first");
      await server.shutdown();
      expect(existsSync(path)).toBe(false);
    }
  });

  test("may not be longer: nobody could connect to it", async () => {
    const path = pathOf(limit + 1);
    await expect(make().listen({ path })).rejects.toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      option: "listen.path",
      message: expect.stringContaining(path) as string,
    });
  });

  test("is what an error names, and not a name of ours", async () => {
    const where = folder();
    const locked = join(where, "locked");
    mkdirSync(locked, { mode: 0o500 });
    onTestFinished(() => chmodSync(locked, 0o700));
    const paths = [join(where, "nowhere", "s"), ...(process.getuid?.() === 0 ? [] : [join(locked, "s")])];
    for (const path of paths) {
      const error: unknown = await make()
        .listen({ path })
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "EACCES", syscall: "listen", address: path });
      expect(inspect(error)).not.toMatch(/\/\.[0-9a-f]{4,}/);
    }
  });
});

describe.each(["shutdown", "close"] as const)("a %s() while listen() is under way", (stop) => {
  const over = {
    code: "LASTCALL_SERVER_STATE",
    message: "The server was shut down before it listened.",
  };

  test("on a port or a path: it rejects, and nothing is left open", async () => {
    const where = folder();
    for (const target of [0, LOCAL, { port: 0, host: "localhost" }, { path: join(where, "s") }]) {
      const server = make();
      const listening = server.listen(target);
      const stopped = server[stop]();
      await expect(listening).rejects.toMatchObject(over);
      expect(await stopped).toMatchObject({ outcome: "clean" });
      expect([server.state, server.address(), readdirSync(where)]).toEqual(["closed", null, []]);
    }
  });

  test("during a lame duck: it rejects at once, and nobody comes in until the door closes", async () => {
    const server = make();
    const listening = server.listen(LOCAL);
    const stopped = server.shutdown({ lameDuck: 1_000, deadline: 2_000 });
    await expect(listening).rejects.toMatchObject(over);
    expect([server.state, server.address()]).toEqual(["draining", null]);
    await server.close();
    await stopped;
  });

  test("on an HTTP server that does not listen yet: it rejects, and that is left alone", async () => {
    const http = createHttpServer();
    const server = make();
    const listening = server.listen(http);
    const stopped = server[stop]();
    await expect(listening).rejects.toMatchObject(over);
    await stopped;
    http.listen(LOCAL);
    await once(http, "listening");
    http.close();
  });

  test("on an HTTP server that listens already: it rejects, and that goes down with it", async () => {
    const http = createHttpServer().listen(LOCAL);
    await once(http, "listening");
    const server = make();
    const listening = server.listen(http);
    const stopped = server[stop]();
    await expect(listening).rejects.toMatchObject(over);
    await stopped;
    expect(http.listening).toBe(false);
  });

  test("with a slow look-up of its host: it rejects at once, and no port opens when the look-up is done", async () => {
    const port = await freePort();
    const { lookup } = dns;
    const calls: (() => void)[] = [];
    vi.spyOn(dns, "lookup").mockImplementation((...args: Parameters<typeof lookup>) => {
      calls.push(() => lookup(...args));
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const server = make();
    const listening = server.listen({ port, host: "localhost" });
    await eventually(() => calls.length > 0);
    const stopped = server[stop]();
    await expect(listening).rejects.toMatchObject(over);
    expect(await stopped).toMatchObject({ outcome: "clean" });
    calls[0]!();
    // A look-up that was asked later comes back later, and a port opens in the turn after that.
    await new Promise((resolve) => lookup("localhost", resolve));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(openRaw(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("listen() refuses", () => {
  const targets = [
    undefined,
    null,
    "8080",
    -1,
    65_536,
    80.5,
    NaN,
    {},
    { port: "80" },
    { path: "" },
    { host: "localhost" },
  ];

  test.for(targets)("%j, which is no target", async (target) => {
    const server = make();
    await expect(server.listen(target as ListenTarget)).rejects.toMatchObject({
      code: "LASTCALL_INVALID_OPTION",
      option: expect.stringMatching(/^listen(\.|$)/) as string,
    });
    expect(server.state).toBe("idle");
  });

  test("a second time", async () => {
    const server = make();
    const first = server.listen(LOCAL);
    await expect(server.listen(LOCAL)).rejects.toMatchObject({ code: "LASTCALL_SERVER_STATE" });
    const { port } = await first;
    await expect(server.listen(LOCAL)).rejects.toThrow(/listening already/);
    expect(await whoIsAt(port)).toBe("first");
  });

  test("after the end", async () => {
    const server = make();
    await server.listen(LOCAL);
    await server.shutdown();
    await expect(server.listen(LOCAL)).rejects.toThrow(/closed/);
    await expect(server.run({ listen: LOCAL, signals: untold })).rejects.toMatchObject({
      code: "LASTCALL_SERVER_STATE",
    });
  });
});

describe("run()", () => {
  const empty = {
    outcome: "clean",
    connections: { total: 0, closed: 0, left: 0, unconfirmed: 0, forced: 0, unproven: 0 },
    messages: { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 },
    troubled: [],
    requests: { answered: 0, left: 0, cut: 0 },
    cutRequests: [],
    neverAccepted: 0,
    troubledOmitted: 0,
  };

  test("without listen runs the server that listens already", async () => {
    const server = make();
    const { port } = await server.listen(LOCAL);
    const abort = new AbortController();
    const running = server.run({ signals: { shutdown: abort.signal } });
    expect(await whoIsAt(port)).toBe("first");
    abort.abort();
    expect(await running).toMatchObject({ outcome: "clean" });
    expect(server.state).toBe("closed");
  });

  test("without listen on a server that does not listen rejects", async () => {
    const running = make().run({ signals: untold });
    await expect(running).rejects.toMatchObject({
      code: "LASTCALL_SERVER_STATE",
      message: expect.stringContaining("listen") as string,
    });
  });

  test.for(["shutdown", "close"] as const)(
    "with a %s signal that is already aborted never listens",
    async (name) => {
      const server = make();
      let listened = false;
      const watch = setInterval(() => (listened ||= server.address() !== null), 0);
      const report = await server.run({ listen: LOCAL, signals: { ...untold, [name]: AbortSignal.abort() } });
      clearInterval(watch);
      expect(report).toMatchObject(empty);
      expect(listened).toBe(false);
      expect(server.state).toBe("closed");
      expect(server.address()).toBe(null);
    },
  );

  test("with an aborted signal does not mind that the port is in use", async () => {
    const port = await takenPort();
    const report = await make().run({
      listen: { ...LOCAL, port },
      signals: { shutdown: AbortSignal.abort() },
    });
    expect(report).toMatchObject(empty);
  });

  test.for(["shutdown", "close"] as const)(
    "%s that aborts while it begins to listen ends it",
    async (name) => {
      const server = make();
      const abort = new AbortController();
      const running = server.run({ listen: LOCAL, signals: { ...untold, [name]: abort.signal } });
      abort.abort();
      expect(await running).toMatchObject(empty);
      expect(server.state).toBe("closed");
      expect(server.address()).toBe(null);
    },
  );

  test.for(["shutdown", "close"] as const)(
    "%s that aborts while it begins to listen on a port in use ends, and does not hang",
    async (name) => {
      const port = await takenPort();
      const abort = new AbortController();
      const startedAt = performance.now();
      const running = make().run({
        listen: { ...LOCAL, port },
        signals: { ...untold, [name]: abort.signal },
      });
      abort.abort();
      await running.catch((error: unknown) => expect(error).toMatchObject({ code: "EADDRINUSE" }));
      expect(performance.now() - startedAt).toBeLessThan(bound(1000));
    },
  );

  test("lets go of its signals when it is over, also when it could not listen", async () => {
    let listeners = 0;
    class CountingSignal extends EventTarget {
      readonly aborted = false;
      override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
        listeners++;
        super.addEventListener(...args);
      }
      override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
        listeners--;
        super.removeEventListener(...args);
      }
    }
    const signal = new CountingSignal() as unknown as AbortSignal;
    const server = make();
    const running = server.run({ listen: LOCAL, signals: { shutdown: signal, close: signal } });
    expect(listeners).toBe(2);
    await eventually(() => server.state === "listening");
    await server.shutdown();
    await running;
    expect(listeners).toBe(0);
    const port = await takenPort();
    await expect(make().run({ listen: { ...LOCAL, port }, signals: { shutdown: signal } })).rejects.toThrow(
      "EADDRINUSE",
    );
    expect(listeners).toBe(0);
  });

  test("that could not listen leaves a server that can be run again", async () => {
    const port = await takenPort();
    const server = make();
    await expect(server.run({ listen: { ...LOCAL, port }, signals: untold })).rejects.toThrow("EADDRINUSE");
    const abort = new AbortController();
    const running = server.run({ listen: LOCAL, signals: { shutdown: abort.signal } });
    await eventually(() => server.state === "listening");
    abort.abort();
    expect(await running).toMatchObject(empty);
  });

  test("after shutdown() was called resolves with the same report", async () => {
    const server = make();
    await server.listen(LOCAL);
    const running = server.run({ signals: untold });
    const report = await server.shutdown();
    expect(await running).toBe(report);
    expect(await server.run({ signals: untold })).toBe(report);
  });
});

test("a server that never listened can be shut down, closed and disposed of", async () => {
  expect((await make().shutdown()).outcome).toBe("clean");
  expect((await make().close()).outcome).toBe("clean");
  const server = make();
  await server[Symbol.asyncDispose]();
  expect(server.state).toBe("closed");
});

test("`await using` shuts a server down at the end of its block", async () => {
  let outer: Server;
  let port: number;
  {
    await using server = make();
    outer = server;
    ({ port } = await server.listen(LOCAL));
    expect(await whoIsAt(port)).toBe("first");
  }
  expect(outer.state).toBe("closed");
  await expect(openRaw(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

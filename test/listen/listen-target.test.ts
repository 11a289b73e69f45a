import { closeSync, openSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createNetServer, Server as NetServer } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { runInNewContext } from "node:vm";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, onTestFinished, test } from "vitest";
import { HttpHostListener } from "../../src/listen/http-host.js";
import { listenerFor, type ListenTarget } from "../../src/listen/listen-target.js";
import type { Listener } from "../../src/listen/listener.js";
import { Refusals } from "../../src/listen/refusal.js";
import { SocketListener } from "../../src/listen/socket-listener.js";
import { scratch } from "../tools/scratch.js";

const owner = {
  handshakeTimeout: 1_000,
  refusals: new Refusals(() => {}),
  onUpgrade: () => {},
  onListenerError: () => {},
  onListenerClosed: () => {},
  onGuestGone: () => {},
};

function listener(target: unknown, path?: string): Listener {
  return listenerFor(target as ListenTarget, owner, path);
}

describe("what listen() takes", () => {
  test("is an HTTP server, encrypted or not: then its upgrades to our path are ours", () => {
    for (const server of [
      createHttpServer(),
      createHttpsServer(),
      createSecureServer({ allowHTTP1: true }),
    ]) {
      const made = listener(server, "/chat");
      expect(made).toBeInstanceOf(HttpHostListener);
      expect((made as HttpHostListener).path).toBe("/chat");
    }
  });

  test("is a server of net or tls: then all of its sockets are ours", () => {
    for (const server of [createNetServer(), createTlsServer()]) {
      expect(listener(server)).toBeInstanceOf(SocketListener);
      expect(server.listenerCount("connection")).toBeGreaterThan(0);
    }
  });

  test("is a port or a path: then it is a socket of ours, at just that place", async () => {
    const path = `${scratch()}/socket`;
    for (const [target, expected] of [
      [0, expect.objectContaining({ port: expect.any(Number) as number }) as unknown],
      [
        { port: 0, host: "127.0.0.1" },
        expect.objectContaining({ address: "127.0.0.1", family: "IPv4" }) as unknown,
      ],
      [{ path }, path],
    ] as const) {
      const made = listener(target);
      expect(await made.open()).toEqual(expected);
      expect(made.address()).toEqual(expected);
      await made.destroy();
      expect(made.address()).toBe(null);
    }
  });

  test.for([-1, 65_536, 1.5, NaN, "8080", undefined, null, {}, { host: "127.0.0.1" }, [8080]])(
    "is not %j, and says so at once",
    (target) => {
      expect(() => listener(target)).toThrow(
        expect.objectContaining({ code: "LASTCALL_INVALID_OPTION", option: "listen" }) as Error,
      );
    },
  );

  test.for([
    [{ port: "8080" }, 'listen.port must be a whole number from 0 to 65 535; it was "8080".'],
    [{ port: -1 }, "listen.port must be a whole number from 0 to 65 535; it was -1."],
    [{ port: 65_536 }, "listen.port must be a whole number from 0 to 65 535; it was 65536."],
    [{ path: "" }, "listen.path must be a Unix socket's path: a string that is not empty"],
    [{ path: 7 }, "listen.path must be a Unix socket's path"],
    [{ path: "/tmp/so\0cket" }, "and has no zero byte but in front"],
    [{ fd: -1 }, "listen.fd must be a descriptor: a whole number from 0; it was -1."],
    [{ fd: 1.5 }, "listen.fd must be a descriptor"],
  ] as const)("has no place with such a value as %j has, and the message names it", ([target, message]) => {
    expect(() => listener(target)).toThrow(
      expect.objectContaining({
        code: "LASTCALL_INVALID_OPTION",
        option: `listen.${Object.keys(target)[0]}`,
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  });

  test.for([
    [
      { port: 0, path: "/tmp/socket" },
      'listen.path must be left out beside port, which is another place; it was "/tmp/socket".',
    ],
    [{ port: -1, path: "/tmp/socket" }, "listen.path must be left out beside port"],
    [{ port: 0, fd: 3 }, "listen.fd must be left out beside port"],
    [{ path: "/tmp/socket", fd: 3 }, "listen.fd must be left out beside path"],
  ] as const)("is not two places, as in %j, and the message names both", ([target, message]) => {
    expect(() => listener(target)).toThrow(message);
  });

  test.for([
    // Who asked for it would listen on every address.
    [{ port: 0, hots: "127.0.0.1" }, "listen.hots", "(did you mean host?)"],
    [{ prot: 0 }, "listen.prot", "(did you mean port?)"],
    [{ host: "127.0.0.1", prot: 0 }, "listen.prot", "there are: port, host, path, fd,"],
  ] as const)("is not %j, of which one is misspelt, and says what was meant", ([target, option, hint]) => {
    expect(() => listener(target)).toThrow(
      expect.objectContaining({
        code: "LASTCALL_INVALID_OPTION",
        option,
        message: expect.stringContaining(hint) as string,
      }) as Error,
    );
  });

  test.for([
    ["Express", express(), /what app\.listen\(\) returns \(Express, Koa\).*; it was a function\./],
    ["Koa", new Koa(), /what app\.listen\(\) returns \(Express, Koa\)/],
    ["Fastify", fastify(), /app\.server \(Fastify\)/],
    ["Hono", new Hono(), /what serve\(\) returns \(Hono\)/],
  ] as const)("is not an app of %s, and says what of it is", ([, app, message]) => {
    expect(() => listener(app)).toThrow(
      expect.objectContaining({
        option: "listen",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
  });

  test("is a path beside a port that is undefined: Node would take any free port", async () => {
    const path = `${scratch()}/socket`;
    const made = listener({ port: undefined, fd: undefined, path });
    expect(await made.open()).toBe(path);
    await made.destroy();
  });

  test("has no `signal`: that would close the socket behind the server's back", () => {
    for (const signal of [AbortSignal.abort(), new AbortController().signal]) {
      expect(() => listener({ port: 0, signal })).toThrow(
        expect.objectContaining({
          code: "LASTCALL_INVALID_OPTION",
          option: "listen.signal",
          message: expect.stringContaining("run({ listen, signals:") as string,
        }) as Error,
      );
    }
    expect(() => listener({ port: 0, signal: undefined })).not.toThrow();
  });

  test.skipIf(process.platform === "win32")(
    "is not a path that the system would cut off, and the message names it",
    () => {
      const path = `/tmp/${"x".repeat(145)}`;
      expect(() => listener({ path })).toThrow(
        expect.objectContaining({
          code: "LASTCALL_INVALID_OPTION",
          option: "listen.path",
          message: expect.stringMatching(new RegExp(`at most 10[37] bytes .*${path} has 150`)) as string,
        }) as Error,
      );
    },
  );

  test.for([
    ["an HTTP/2 server without TLS", createHttp2Server(), /allowHTTP1/],
    ["an HTTP/2 server without HTTP/1.1", createSecureServer({}), /allowHTTP1/],
    ["a Proxy of an HTTP server", new Proxy(createHttpServer(), {}), /Proxy/],
    ["a Proxy of a net.Server", new Proxy(createNetServer(), {}), /Proxy/],
    ["a server of another kind that has a port", { port: 8080, stop() {} }, /a server of node:http/],
    // The prototypes of another realm's net.Server are not ours.
    [
      "an emitter that has a path",
      Object.assign(runInNewContext("new (class { on() {} })()"), { path: "/x" }),
      /a server of node:http/,
    ],
  ] as const)("is not %s, and says so at once", ([, target, message]) => {
    const before = target instanceof NetServer ? target.eventNames() : [];
    expect(() => listener(target)).toThrow(
      expect.objectContaining({
        option: "listen",
        message: expect.stringMatching(message) as string,
      }) as Error,
    );
    expect(target instanceof NetServer ? target.eventNames() : []).toEqual(before);
  });

  test("is not a descriptor of something that cannot listen", async () => {
    const fd = openSync(join(scratch(), "file"), "w");
    onTestFinished(() => closeSync(fd));
    const made = listener({ fd });
    await expect(made.open()).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION", option: "listen.fd" });
    await made.destroy();
  });
});

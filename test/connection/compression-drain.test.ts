/** The rules of a shutdown while messages are inflated and deflated, which takes its time in other threads. */
import { pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { each } from "../../src/index.js";
import { openRaw } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

const OFFER = { extensions: "permessage-deflate" };
const RESTART = { code: 1012, reason: "service restart" };
const REQUESTS = 40;
/** Long enough to be compressed, each another one. */
const requests = Array.from({ length: REQUESTS }, (_, index) => `${index} `.repeat(20_000));
const replies = requests.map((request) => `reply to ${request}`);

test("what was received is served and answered, compressed, before Close", async () => {
  const started: string[] = [];
  const { server, port } = await serve(
    async (connection) => {
      for await (const message of connection) {
        started.push(String(message));
        connection.send(`reply to ${message}`);
      }
    },
    { compression: true },
  );
  const client = await openRaw(port, OFFER);
  for (const request of requests) client.sendCompressed(request);
  // In the middle: some are answered, some wait to be inflated, some replies are being deflated.
  await client.received(1);
  const report = await server.shutdown();
  const before = replies.length - report.messages.served;
  expect(before).toBeLessThan(REQUESTS);
  expect(countsOf(report)).toEqual(
    reportWith("clean", { total: 1, closed: 1 }, { served: REQUESTS - before }),
  );
  expect(started).toEqual(requests);
  expect(client.messages).toEqual(replies);
  expect(client.compressed.messages).toBe(REQUESTS);
  expect(client.messagesAtClose).toBe(REQUESTS);
  expect({ close: client.close, ended: client.ended }).toEqual({ close: RESTART, ended: "FIN" });
});

test("what was received is served when its sender is gone before it is inflated", async () => {
  const started: string[] = [];
  const go = gate();
  const { server, port } = await serve(
    async (connection) => {
      await go.passed;
      for await (const message of connection) started.push(String(message));
    },
    { compression: true },
  );
  const client = await openRaw(port, OFFER);
  for (const request of requests) client.sendCompressed(request);
  client.ping();
  await client.until(() => client.pongs.length === 1);
  client.reset();
  await client.closed();
  const stopping = server.shutdown();
  go.open();
  const { connections, messages, troubled } = await stopping;
  expect(started).toEqual(requests);
  expect(connections).toMatchObject({ total: 1, left: 1 });
  expect(messages).toEqual({ served: REQUESTS, handedBack: 0, undelivered: 0, abandoned: 0 });
  expect(troubled).toMatchObject([{ reason: "reset" }]);
});

test("what still waits at last call is handed back, compressed or not", async () => {
  const stuck = gate();
  const started: string[] = [];
  const { server, port } = await serve(
    async (connection) => {
      for await (const message of connection) {
        started.push(String(message));
        await stuck.passed;
        connection.send("done");
      }
    },
    { compression: true },
  );
  const client = await openRaw(port, OFFER);
  for (const request of requests) client.sendCompressed(request);
  client.send("and one that is not compressed");
  client.ping();
  await client.until(() => client.pongs.length === 1);
  const stopping = server.shutdown({ lastCall: ms(100) });
  await eventually(() => server.state === "draining");
  const timer = setTimeout(() => stuck.open(), ms(200));
  const report = await stopping;
  clearTimeout(timer);
  expect(started).toEqual(requests.slice(0, 1));
  expect(countsOf(report)).toEqual(
    reportWith("partial", { total: 1, closed: 1 }, { served: 1, handedBack: REQUESTS }),
  );
  expect({ messages: client.messages, close: client.close }).toEqual({ messages: ["done"], close: RESTART });
});

test("what comes after the cut is handed back, each message once", async () => {
  const { server, port } = await serve(
    async (connection) => {
      for await (const message of connection) connection.send(message);
    },
    { compression: true },
  );
  const client = await openRaw(port, { ...OFFER, answersClose: false });
  const stopping = server.shutdown({ quiet: 0 });
  await client.until(() => client.close !== undefined);
  for (const request of requests) client.sendCompressed(request);
  client.sendClose(1012);
  const report = await stopping;
  expect(countsOf(report)).toEqual(
    reportWith("partial", { total: 1, closed: 1 }, { served: 0, handedBack: REQUESTS }),
  );
  expect(client.messages).toEqual([]);
});

test("a forced stop sends what is being compressed as it is, and no Close", async () => {
  const { server, port } = await serve(
    async (connection) => {
      for (const reply of replies) connection.send(reply);
      await new Promise(() => {});
    },
    { compression: true },
  );
  const client = await openRaw(port, OFFER);
  const began = performance.now();
  const report = await server.close();
  expect(performance.now() - began).toBeLessThan(bound(1_000));
  await client.closed();
  expect(report).toMatchObject({ outcome: "forced", connections: { total: 1, forced: 1 } });
  expect(client.messages).toEqual(replies);
  expect(client.compressed.messages).toBeLessThan(REQUESTS);
  expect({ close: client.close, ended: client.ended }).toEqual({ close: undefined, ended: "FIN" });
});

test("a peer is not blamed for replies that wait for our own compression", async () => {
  const { server, port } = await serve(
    async (connection) => {
      for await (const message of connection) connection.send(message);
    },
    { compression: true },
  );
  const large = Array.from({ length: 200_000 }, (_, index) => String((index * 7_919) % 10_007)).join(" ");
  const clients = await Promise.all(Array.from({ length: 40 }, () => openRaw(port, OFFER)));
  for (const client of clients) client.sendCompressed(large);
  // Much shorter than what it takes to compress all that, and longer than the clients, which are in this process, stand.
  await server.shutdown({ quiet: 0, closeTimeout: ms(150), deadline: ms(60_000) });
  await Promise.all(clients.map((client) => client.closed()));
  for (const { messages, close, ended } of clients) {
    expect(messages[0] === large).toBe(true);
    expect({ close, ended }).toEqual({ close: RESTART, ended: "FIN" });
  }
});

test("a peer is not taken for silent while what it is asked waits for our own compression", async () => {
  const busy: Promise<unknown>[] = [];
  const { server, port } = await serve(
    each(() => {
      // All threads that zlib could have, for much longer than an answer takes.
      while (busy.length < 4) busy.push(promisify(pbkdf2)("a", "b", 600_000, 64, "sha512"));
      return "x".repeat(3_000);
    }),
    { compression: true },
  );
  const client = await openRaw(port, OFFER);
  client.send("another");
  await eventually(() => busy.length > 0);
  const report = await server.shutdown({
    quiet: 0,
    barrierTimeout: ms(300),
    patience: ms(300),
    deadline: ms(60_000),
  });
  await Promise.all([client.closed(), ...busy]);
  expect(countsOf(report)).toEqual(
    reportWith("clean", { total: 1, closed: 1 }, { served: report.messages.served }),
  );
  expect(client.messages).toHaveLength(1);
});

/** The rules about messages, on real sockets: what is served, in which order, and what is told about the rest. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import type { Connection, Handler } from "../../src/index.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { openRaw } from "../tools/raw-client.js";
import { eventually, gate, serve } from "../tools/serve.js";
import { bound, ms, work } from "../tools/timing.js";

const mask = Buffer.from([1, 2, 3, 4]);

/** Frames of these messages as one chunk, so that they are received together. */
function frames(...messages: string[]): Buffer {
  return Buffer.concat(messages.map((message) => encodeFrame(Opcode.text, message, { mask })));
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

/** Serves messages one after the other, noting what was started. */
function serial(started: string[], duration: number): Handler {
  return async (connection) => {
    for await (const message of connection) {
      started.push(String(message));
      await work(duration);
      connection.send(`reply ${message}`);
    }
  };
}

describe("Rule 1, order", () => {
  test("messages reach the handler in the order received, and the peer's Close is answered after them", async () => {
    const started: string[] = [];
    const { port } = await serve(serial(started, 10));
    const client = await openRaw(port);
    client.write(frames(...numbered(10)));
    client.sendClose(1000, "bye");
    await client.until(() => client.close !== undefined);
    expect(started).toEqual(numbered(10));
    expect(client.messages).toEqual(numbered(10).map((number) => `reply ${number}`));
    expect(client.messagesAtClose).toBe(10);
    expect(client.close).toEqual({ code: 1000, reason: "" });
    await client.closed();
    expect(client.ended).toBe("FIN");
  });

  test("the peer's Close is answered after closeReplyTimeout at the latest, and serving goes on", async () => {
    const started: string[] = [];
    const slow = gate();
    const sends: boolean[] = [];
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          started.push(String(message));
          await slow.passed;
          sends.push(connection.send("too late"));
        }
      },
      { closeReplyTimeout: ms(50) },
    );
    const client = await openRaw(port);
    client.write(frames("a", "b", "c"));
    const closedAt = performance.now();
    client.sendClose(4321);
    await client.closed();
    expect(performance.now() - closedAt).toBeLessThan(bound(50) + bound(100));
    expect(client.close).toEqual({ code: 4321, reason: "" });
    expect(client.ended).toBe("FIN");
    expect(started).toEqual(["a"]);
    slow.open();
    await eventually(() => server.connections.size === 0);
    expect(started).toEqual(["a", "b", "c"]);
    expect(sends).toEqual([false, false, false]);
  });
});

describe("Rule 2, received is served", () => {
  test("messages of a peer that resets the connection are delivered all the same", async () => {
    const started: string[] = [];
    const { server, port } = await serve(serial(started, 10));
    const client = await openRaw(port);
    client.write(frames(...numbered(10)));
    await client.received(1);
    client.reset();
    const report = await server.shutdown();
    expect(started).toEqual(numbered(10));
    expect(report.connections).toMatchObject({ total: 1, left: 1, forced: 0 });
    expect(report.messages).toMatchObject({ handedBack: 0, abandoned: 0 });
    expect(report.messages.undelivered).toBeGreaterThan(0);
    expect(report.troubled).toMatchObject([{ reason: "reset", queued: 0, running: 0 }]);
    expect(report.outcome).toBe("unconfirmed");
  });

  test("a peer that is gone is served for goneTimeout, then the rest is handed back", async () => {
    const started: string[] = [];
    const first = gate();
    const { server, port } = await serve(
      async (connection) => {
        for await (const message of connection) {
          started.push(String(message));
          if (message === "0") connection.send("got it");
          await first.passed;
        }
      },
      { goneTimeout: ms(50) },
    );
    const client = await openRaw(port);
    client.write(frames(...numbered(5)));
    await client.received(1);
    const shutdown = server.shutdown();
    client.reset();
    const [connection] = server.connections;
    await new Promise((resolve) => connection!.signal.addEventListener("abort", resolve));
    await connection!.closed;
    await work(ms(120));
    first.open();
    const report = await shutdown;
    expect(started).toEqual(["0"]);
    expect(report.messages).toMatchObject({ served: 1, handedBack: 4, abandoned: 0 });
    expect(report.troubled).toHaveLength(1);
  });

  test("what still waits when the handler returns is counted as not started", async () => {
    const { server, port } = await serve(async (connection) => {
      for await (const message of connection) {
        connection.send(`reply ${message}`);
        if (message === "1") return;
      }
    });
    const client = await openRaw(port);
    const shutdown = server.shutdown({ quiet: Infinity });
    client.write(frames(...numbered(5)));
    const report = await shutdown;
    expect(client.messages).toEqual(["reply 0", "reply 1"]);
    expect(report.messages).toMatchObject({ served: 2, handedBack: 3 });
    expect(client.close?.code).toBe(1012);
  });
});

describe("Rule 3, replies before Close", () => {
  test("everything passed to send() before the handler returned is on the wire before Close", async () => {
    const { port } = await serve((connection) => {
      for (let index = 0; index < 1000; index++) connection.send(String(index));
    });
    const client = await openRaw(port);
    await client.until(() => client.close !== undefined);
    expect(client.messages).toEqual(numbered(1000));
    expect(client.close).toEqual({ code: 1000, reason: "" });
    await client.closed();
    expect(client.ended).toBe("FIN");
  });

  test("a reply of many megabytes arrives whole before the drain's Close", async () => {
    const reply = Buffer.alloc(12 * 1024 * 1024, 7);
    const { server, port } = await serve(async (connection) => {
      for await (const _ of connection) connection.send(reply);
    });
    const client = await openRaw(port);
    client.send("go");
    await eventually(() => [...server.connections].some((connection) => connection.bufferedAmount > 0));
    const report = await server.shutdown();
    expect(client.messages).toHaveLength(1);
    expect(reply.equals(client.messages[0] as Buffer)).toBe(true);
    expect(client.close).toEqual({ code: 1012, reason: "service restart" });
    expect(report).toMatchObject({ outcome: "clean", connections: { closed: 1 } });
  });
});

describe("Rule 4, never started", () => {
  test("what comes after the cut is never delivered, and counted as handed back", async () => {
    const started: string[] = [];
    const { server, port } = await serve(serial(started, 0));
    const client = await openRaw(port, { answersClose: false });
    const shutdown = server.shutdown();
    await client.until(() => client.close !== undefined);
    client.write(frames("late 1", "late 2", "late 3"));
    client.sendClose(client.close!.code);
    const report = await shutdown;
    expect(started).toEqual([]);
    expect(client.messages).toEqual([]);
    expect(client.close).toEqual({ code: 1012, reason: "service restart" });
    expect(client.ended).toBe("FIN");
    expect(report.messages).toEqual({ served: 0, handedBack: 3, undelivered: 0, abandoned: 0 });
    expect(report.outcome).toBe("partial");
  });

  test("what still waits at last call is handed back, and what runs may finish", async () => {
    const started: string[] = [];
    const { server, port } = await serve(serial(started, ms(60)));
    const client = await openRaw(port);
    client.write(frames(...numbered(50)));
    await eventually(() => started.length > 0);
    const report = await server.shutdown({ lastCall: ms(150), deadline: ms(5000) });
    expect(started.length).toBeGreaterThan(0);
    expect(started.length).toBeLessThan(50);
    // The peer can tell: unanswered means never started.
    expect(client.messages).toEqual(started.map((number) => `reply ${number}`));
    expect(client.close?.code).toBe(1012);
    expect(report.messages).toEqual({
      served: started.length,
      handedBack: 50 - started.length,
      undelivered: 0,
      abandoned: 0,
    });
    expect(report.outcome).toBe("partial");
  });
});

describe("Rule 9, no late guest, behind a lame duck", () => {
  test("who came in before a later call shut the door is served; whoever comes after that is refused", async () => {
    const started: string[] = [];
    const { server, port } = await serve(serial(started, ms(40)));
    const shutdown = server.shutdown({ deadline: ms(20_000), lameDuck: ms(10_000) });
    const guest = await openRaw(port);
    guest.write(frames(...numbered(3)));
    void server.shutdown({ deadline: ms(2_000) });
    await guest.until(() => guest.close !== undefined);
    expect(guest.messages).toEqual(["reply 0", "reply 1", "reply 2"]);
    expect(guest.close).toEqual({ code: 1012, reason: "service restart" });
    await expect(openRaw(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const report = await shutdown;
    expect(report).toMatchObject({ outcome: "clean", connections: { total: 1, closed: 1 } });
    expect(report.duration).toBeLessThan(bound(2_000));
  });
});

describe("Rule 12, no silent drop", () => {
  test("send() to a connection that is gone returns false, and the drop is counted and published", async () => {
    const dropped: unknown[] = [];
    const onDrop = (message: unknown): void => void dropped.push(message);
    subscribe("lastcall:drop", onDrop);
    const leave = gate();
    const sends: boolean[] = [];
    let flushed: unknown;
    let served: Connection | undefined;
    const { server, port } = await serve(async (connection) => {
      served = connection;
      await leave.passed;
      sends.push(connection.send("a"), connection.send("b"));
      flushed = await connection.flushed().catch((error: unknown) => error);
    });
    const client = await openRaw(port);
    await eventually(() => served !== undefined);
    const shutdown = server.shutdown({ quiet: Infinity, patience: Infinity });
    client.reset();
    await served!.closed;
    leave.open();
    const report = await shutdown;
    unsubscribe("lastcall:drop", onDrop);
    expect(sends).toEqual([false, false]);
    expect(flushed).toMatchObject({ code: "LASTCALL_CONNECTION_GONE" });
    expect(report.messages.undelivered).toBe(2);
    expect(dropped).toMatchObject([{ messages: 1 }, { messages: 1 }]);
    expect(report.troubled).toMatchObject([{ reason: "reset" }]);
  });
});

/** What stands behind every face of a server: who is inside, the door, and going down. Its sockets are in memory. */
import { createServer as createNetServer, type AddressInfo, type Server as NetServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Guest } from "../../src/connection/connection.js";
import type { Endpoint } from "../../src/connection/endpoint.js";
import { resolveOptions } from "../../src/server/option-checks.js";
import type { ServerOptions } from "../../src/server/options.js";
import { Premises, type Face } from "../../src/server/premises.js";
import { Opcode } from "../../src/wire/frame.js";
import { EventConsumer } from "../connection/event-consumer.js";
import { framesTo, rest } from "../connection/lone-endpoint.js";
import { HANDSHAKE } from "../listen/memory-request.js";
import { forget } from "../tools/memory-door.js";
import { MemorySocket } from "../tools/memory-socket.js";
import { gate } from "../tools/serve.js";
import { closePayload, rawFrame } from "../wire/raw-frame.js";

interface Scene {
  premises: Premises<EventConsumer, unknown>;
  /** What the face was asked and told. */
  guests: Guest<unknown>[];
  over: EventConsumer[];
  errors: unknown[];
  door: NetServer;
  listen: () => Promise<unknown>;
  /** Somebody who has sent his handshake. */
  knock: () => MemorySocket;
  /** The same, when he was let in; what is written counts from there. */
  enter: () => Promise<{ socket: MemorySocket; endpoint: Endpoint<EventConsumer> }>;
}

function scene(options: ServerOptions = {}): Scene {
  const [guests, over, errors]: [Guest<unknown>[], EventConsumer[], unknown[]] = [[], [], []];
  const face: Face<EventConsumer, unknown> = {
    consumerFor: (endpoint, guest) => {
      guests.push(guest);
      return new EventConsumer(endpoint);
    },
    connectionClosed: (consumer) => over.push(consumer),
    reportError: (error) => errors.push(error),
  };
  const premises = new Premises(resolveOptions({ heartbeat: false, ...options }), face);
  const door = createNetServer();
  const sockets: MemorySocket[] = [];
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await rest();
    for (const { consumer } of premises.connections) consumer.settle();
    await premises.close();
    door.close();
  });
  const knock = (): MemorySocket => {
    const socket = new MemorySocket({ allowHalfOpen: true });
    sockets.push(socket);
    door.emit("connection", socket);
    socket.receive(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
    return socket;
  };
  return {
    premises,
    guests,
    over,
    errors,
    door,
    listen: () => premises.listen(door.listen(0, "127.0.0.1")),
    knock,
    enter: async () => {
      const socket = knock();
      await socket.written(1);
      expect(status(socket)).toBe("101");
      forget(socket);
      return { socket, endpoint: [...premises.connections].at(-1)! };
    },
  };
}

function status(socket: MemorySocket): string | undefined {
  return Buffer.concat(socket.writes.flat()).toString().split(" ")[1];
}

/** The peer answers Close and ends TCP. */
async function leave(socket: MemorySocket): Promise<void> {
  socket.receive(rawFrame({ opcode: Opcode.close, payload: closePayload(1000) }));
  socket.receiveEnd();
  await rest();
}

describe("who comes in", () => {
  test("is shown to the face before anything is read, and is inside until all of it is over", async () => {
    const { premises, guests, over, listen, enter } = scene();
    await listen();
    const { socket, endpoint } = await enter();
    expect(guests).toMatchObject([{ request: { url: "/chat?room=1" }, protocol: "" }]);
    expect([...premises.connections]).toEqual([endpoint]);
    expect(endpoint.consumer.calls.begin).toBe(1);
    socket.destroy();
    await rest();
    expect([premises.connections.size, over.length]).toEqual([1, 0]);
    endpoint.consumer.settle();
    expect([premises.connections.size, over]).toEqual([0, [endpoint.consumer]]);
    premises.connectionClosed(endpoint);
    expect(over).toHaveLength(1);
  });

  test("finds no room while as many are inside as may be, also those that left and are still served", async () => {
    const { premises, listen, enter, knock } = scene({ maxConnections: 1 });
    await listen();
    const { socket, endpoint } = await enter();
    socket.destroy();
    await rest();
    const refused = knock();
    await refused.sentEnd();
    expect(String(refused.writes)).toContain("The server is full.");
    endpoint.consumer.settle();
    await enter();
    expect(premises.connections.size).toBe(1);
  });

  test("is watched by the heartbeat from the moment that it listens", async () => {
    const { listen, enter } = scene({ heartbeat: { interval: 4, timeout: 60_000 } });
    await listen();
    const { socket } = await enter();
    await socket.written(1);
    expect(framesTo(socket)).toEqual(["ping 00000001"]);
  });

  test("and what goes wrong on the way in is told to the face, as no connection's", async () => {
    const error = new Error("on purpose");
    const { errors, listen, knock } = scene({
      authenticate: () => {
        throw error;
      },
    });
    await listen();
    const socket = knock();
    await socket.sentEnd();
    expect([status(socket), errors]).toEqual(["500", [error]]);
  });
});

describe("where a server stands", () => {
  test("goes from idle to closed, and says where it listens in between", async () => {
    const { premises, listen, door } = scene();
    expect([premises.state, premises.hasDoor, premises.address()]).toEqual(["idle", false, null]);
    const address = await listen();
    expect([premises.state, premises.hasDoor, premises.draining]).toEqual(["listening", true, false]);
    expect([address, premises.address()]).toEqual([door.address(), door.address()]);
    const down = premises.shutdown();
    expect([premises.state, premises.draining]).toEqual(["draining", true]);
    const report = await down;
    expect([premises.state, premises.address(), premises.closedBecause()]).toEqual([
      "closed",
      null,
      "The server is closing.",
    ]);
    expect(await premises.down).toBe(report);
  });

  test("lets it listen once, and not after its end", async () => {
    const { premises, listen } = scene();
    const again = (): Promise<unknown> => premises.listen(0);
    const first = listen();
    await expect(again()).rejects.toThrow("it is listening already");
    await first;
    await expect(again()).rejects.toThrow("it is listening already");
    await premises.close();
    await expect(again()).rejects.toMatchObject({
      code: "LASTCALL_SERVER_STATE",
      message: expect.stringContaining("it is closed") as string,
    });
  });

  test("is idle again when it could not listen, so that it can be tried again", async () => {
    const { premises } = scene();
    await expect(premises.listen({ host: "127.0.0.1", port: -1 })).rejects.toMatchObject({
      option: "listen.port",
    });
    expect(premises.hasDoor).toBe(false);
    const taken = createNetServer().listen(0, "127.0.0.1");
    onTestFinished(() => void taken.close());
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(premises.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    expect([premises.state, premises.hasDoor]).toEqual(["idle", false]);
    await premises.listen({ host: "127.0.0.1", port: 0 });
    expect(premises.state).toBe("listening");
  });

  test("never becomes listening when it is shut down while it waits for a caller's server", async () => {
    for (const way of ["shutdown", "close"] as const) {
      const { premises } = scene();
      const listening = premises.listen(createNetServer());
      const report = premises[way]();
      await expect(listening).rejects.toMatchObject({
        code: "LASTCALL_SERVER_STATE",
        message: "The server was shut down before it listened.",
      });
      expect((await report).connections.total).toBe(0);
      expect(premises.state).toBe("closed");
    }
  });
});

describe("going down", () => {
  test("is one and the same, however often it is asked for; bad options change nothing", async () => {
    const { premises, listen, enter } = scene();
    await listen();
    const { socket, endpoint } = await enter();
    await expect(premises.shutdown({ code: 7 })).rejects.toMatchObject({ option: "code" });
    expect(premises.state).toBe("listening");
    const first = premises.shutdown({ deadline: 20_000, code: 3001 });
    const second = premises.shutdown({ deadline: 10_000 });
    await rest();
    endpoint.consumer.settle();
    await rest();
    expect(framesTo(socket).at(-1)).toBe("close 3001 service restart");
    await leave(socket);
    expect(await second).toBe(await first);
    expect(await first).toMatchObject({ outcome: "clean", connections: { total: 1, closed: 1 } });
  });

  test("counts what is served from there on, and nothing from before", async () => {
    const { premises, listen, enter } = scene();
    await listen();
    const { socket, endpoint } = await enter();
    const serve = async (): Promise<void> => {
      socket.receive(rawFrame({ opcode: Opcode.text, payload: "work" }));
      await rest();
      endpoint.consumer.finish();
    };
    await serve();
    await serve();
    const report = premises.shutdown();
    await serve();
    endpoint.consumer.settle();
    await rest();
    await leave(socket);
    expect((await report).messages).toEqual({ served: 1, handedBack: 0, undelivered: 0, abandoned: 0 });
  });

  test("at once forces who is inside, also in the middle of a shutdown", async () => {
    const { premises, listen, enter } = scene();
    await listen();
    const { socket, endpoint } = await enter();
    const graceful = premises.shutdown();
    const report = premises.close();
    endpoint.consumer.settle();
    await socket.sentEnd();
    expect(framesTo(socket).some((frame) => frame.startsWith("close"))).toBe(false);
    socket.receiveEnd();
    expect(await report).toBe(await graceful);
    expect(await report).toMatchObject({ outcome: "forced", connections: { forced: 1 } });
  });

  test("lets in who was on the way, drained from the start, and refuses who is too late", async () => {
    const asked = gate();
    const slow = scene({ authenticate: () => asked.passed.then(() => true) });
    await slow.listen();
    const [early, late] = [slow.knock(), slow.knock()];
    await rest();
    expect(slow.premises.pendingHandshakes()).toBe(2);
    const report = slow.premises.shutdown({ handshakeGrace: 20_000 });
    await rest();
    slow.premises.refuseHandshakes();
    await Promise.all([early.sentEnd(), late.sentEnd()]);
    expect([status(early), status(late)]).toEqual(["503", "503"]);
    for (const socket of [early, late]) socket.receiveEnd();
    expect((await report).connections.total).toBe(0);

    const open = gate();
    const { premises, listen, knock } = scene({ authenticate: () => open.passed.then(() => true) });
    await listen();
    const guest = knock();
    await rest();
    const down = premises.shutdown({ handshakeGrace: 20_000 });
    await rest();
    open.open();
    await guest.written(1);
    expect(status(guest)).toBe("101");
    const [endpoint] = premises.connections;
    expect(endpoint!.isLeaving).toBe(true);
    endpoint!.consumer.settle();
    await rest();
    await leave(guest);
    expect((await down).connections).toMatchObject({ total: 1, closed: 1 });
  });
});

test("nobody is told anything by a server that goes down before it had a door", async () => {
  const { premises } = scene();
  expect(await premises.shutdown()).toMatchObject({ outcome: "clean", connections: { total: 0 } });
});

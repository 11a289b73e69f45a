import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { AssumedKernel, TellingKernel, type Kernel } from "../../src/connection/kernel.js";
import { placeOf } from "../../src/connection/kernel-table.js";
import { eventually } from "../tools/serve.js";

const MIB = 1024 * 1024;

/** Our end of a connection, and the peer's, which does not read. */
async function pair(host: string, to = host): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, to).pause();
  const [socket] = (await once(server, "connection")) as [Socket];
  server.close();
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
  });
  return { socket, peer };
}

function ask(kernel: Kernel, socket: Socket): Promise<number> {
  return new Promise((resolve) => kernel.unacknowledged(socket, resolve));
}

/** Fails if it is asked. */
const nobody: Kernel = {
  unacknowledged: () => expect.unreachable("the table can be read"),
  forget: () => {},
};

describe.runIf(process.platform === "linux")("the kernel", () => {
  test.each([
    ["IPv4", "127.0.0.1", "127.0.0.1"],
    ["IPv6", "::1", "::1"],
    ["IPv4 on an IPv6 socket", "::", "127.0.0.1"],
  ])("tells what a peer has not acknowledged, over %s", async (_, host, to) => {
    const { socket, peer } = await pair(host, to);
    const kernel = new TellingKernel(nobody);
    expect(await ask(kernel, socket)).toBe(0);
    socket.write(Buffer.alloc(32 * MIB));
    let held = 0;
    let before = -1;
    while (held === 0 || held !== before) [before, held] = [held, await ask(kernel, socket)];
    expect(held).toBeGreaterThan(10_000);
    expect(held).toBeLessThan(32 * MIB);
    // Read until that is less: it sends no more.
    socket.destroySoon();
    peer.resume();
    await once(peer, "close");
  });

  test("falls as the peer reads", async () => {
    const { socket, peer } = await pair("127.0.0.1");
    const kernel = new TellingKernel(nobody);
    // More than a receive buffer of the default takes, and less than the send buffer.
    socket.write(Buffer.alloc(2 * MIB));
    await eventually(() => socket.writableLength === 0);
    const held = await ask(kernel, socket);
    expect(held).toBeGreaterThan(MIB / 4);
    let read = 0;
    peer.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read >= 2 * MIB - held / 2) peer.pause();
    });
    peer.resume();
    let left = held;
    while (left === held) left = await ask(kernel, socket);
    expect(left).toBeLessThan(held);
  });

  test("answers many at once, each for its own socket, and twice for one that asks twice", async () => {
    const kernel = new TellingKernel(nobody);
    const pairs = await Promise.all(Array.from({ length: 20 }, () => pair("127.0.0.1")));
    const busy = pairs[7]!.socket;
    busy.write(Buffer.alloc(32 * MIB));
    await eventually(() => busy.writableLength > 0);
    const held = await Promise.all([...pairs.map(({ socket }) => ask(kernel, socket)), ask(kernel, busy)]);
    expect(held[7]).toBeGreaterThan(0);
    expect(held.at(-1)).toBe(held[7]);
    expect(held.filter((bytes) => bytes > 0)).toHaveLength(2);
  });

  test("knows nothing of a socket that is gone", async () => {
    const { socket } = await pair("127.0.0.1");
    socket.destroy();
    await once(socket, "close");
    expect(await ask(new TellingKernel(nobody), socket)).toBe(0);
  });

  test("is not looked at for a socket that is forgotten, and no timer is left", async () => {
    const { socket } = await pair("127.0.0.1");
    const kernel = new TellingKernel(nobody, () => expect.unreachable("nobody asks any more"));
    kernel.unacknowledged(socket, () => expect.unreachable("it was forgotten"));
    kernel.forget(socket);
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

describe("a kernel that tells nothing", () => {
  test("is taken to hold what was written, for a peer that reads it at 128 kB/s", async () => {
    const { socket } = await pair("127.0.0.1");
    const kernel = new AssumedKernel();
    expect(await ask(kernel, socket)).toBe(0);
    socket.write(Buffer.alloc(100_000));
    const [first, second] = [await ask(kernel, socket), await ask(kernel, socket)];
    expect(first).toBe(100_000);
    expect(second).toBeLessThanOrEqual(first);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await ask(kernel, socket)).toBeLessThanOrEqual(100_000 - 49 * 128);
  });

  test("is taken to hold 2 MiB at most, and nothing of a stream that is no TCP socket", async () => {
    const { socket } = await pair("127.0.0.1");
    socket.write(Buffer.alloc(5 * MIB));
    expect(await ask(new AssumedKernel(), socket)).toBe(2 * MIB);
    const stream = new PassThrough() as unknown as Socket;
    expect(await ask(new AssumedKernel(), stream)).toBe(0);
    expect(await ask(new TellingKernel(nobody), stream)).toBe(0);
  });

  test("is asked where the table cannot be read", async () => {
    const { socket } = await pair("127.0.0.1");
    const asked: unknown[] = [];
    const otherwise: Kernel = {
      unacknowledged: (which, tell) => (asked.push(which), tell(77)),
      forget: () => {},
    };
    const kernel = new TellingKernel(otherwise, () => Promise.reject(new Error("no such table")));
    expect([await ask(kernel, socket), asked]).toEqual([77, [socket]]);
  });
});

test.each([
  ["127.0.0.1", "0100007F"],
  ["::1", "00000000000000000000000001000000"],
  ["::ffff:10.1.2.3", "0000000000000000FFFF00000302010A"],
  ["2001:db8::ff00:42:8329", "B80D01200000000000FF000029834200"],
  ["fe80::1%eth0", "000080FE000000000000000001000000"],
])("the address %s stands in the table as %s", (address, hex) => {
  const place = placeOf({
    localAddress: address,
    localPort: 8080,
    remoteAddress: address,
    remotePort: 50_000,
  } as Socket);
  expect(place!.addresses).toBe(`${hex}:1F90 ${hex}:C350`);
  expect(place!.table).toBe(address.includes(":") ? "/proc/net/tcp6" : "/proc/net/tcp");
});

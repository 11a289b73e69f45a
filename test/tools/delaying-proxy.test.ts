import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { startDelayingProxy } from "./delaying-proxy.js";

const DELAY = 40;

/** All that a socket reads up to the FIN. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "end");
  return Buffer.concat(chunks);
}

async function throughProxy(onConnection: (socket: Socket) => void): Promise<Socket> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    onTestFinished(() => void socket.destroy());
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = await startDelayingProxy((server.address() as AddressInfo).port, DELAY);
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => {
    server.close();
    client.destroy();
  });
  await once(client, "connect");
  return client;
}

it("passes bytes on unchanged, and answers that come after the other side's FIN", async () => {
  const client = await throughProxy((socket) => {
    void readAll(socket).then((all) => socket.end(all));
  });
  const sent = Array.from({ length: 50 }, () => randomBytes(10_000));
  for (const chunk of sent) client.write(chunk);
  client.end();
  expect((await readAll(client)).equals(Buffer.concat(sent))).toBe(true);
});

it("is as late as it was told to be in each direction", async () => {
  const client = await throughProxy((socket) => socket.pipe(socket));
  for (let round = 0; round < 5; round++) {
    const began = performance.now();
    client.write("ping");
    await once(client, "data");
    expect(performance.now() - began).toBeGreaterThanOrEqual(2 * DELAY - 1);
  }
});

it("passes a reset on as a reset", async () => {
  const events = new EventEmitter();
  const client = await throughProxy((socket) => {
    socket.once("error", (error: NodeJS.ErrnoException) => events.emit("ended", error.code));
    socket.once("end", () => events.emit("ended", "FIN"));
    socket.write("hello");
  });
  await once(client, "data");
  const ended = once(events, "ended");
  client.resetAndDestroy();
  expect(await ended).toEqual(["ECONNRESET"]);
});

/**
 * A TCP proxy that makes a peer far away: every byte, FIN and reset arrives late, and in order. It can also be a network
 * that carries little at a time.
 */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** From the shortest to the longest piece, in bytes. */
type Lengths = readonly [from: number, to: number];

/** Cuts what came into pieces of random lengths. */
function* cut(chunk: Buffer, [from, to]: Lengths): Generator<Buffer> {
  for (let start = 0; start < chunk.length;) {
    const length = from + Math.floor(Math.random() * (to - from + 1));
    yield chunk.subarray(start, start + length);
    start += length;
  }
}

/**
 * One direction: what comes out of `from` goes into `to`, each part `delay` ms after it came. With `pieces` it goes in
 * parts of these lengths, one in a turn.
 */
function carry(from: Socket, to: Socket, delay: number, pieces: Lengths | undefined): void {
  const waiting: { at: number; deliver: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;

  // One timer for the oldest: timers of their own could change places.
  const deliverDue = (): void => {
    timer = undefined;
    while (waiting.length > 0 && waiting[0]!.at <= performance.now()) {
      waiting.shift()!.deliver();
      if (pieces !== undefined) break;
    }
    arm();
  };
  const arm = (): void => {
    if (waiting.length === 0 || timer !== undefined) return;
    timer = setTimeout(deliverDue, Math.max(0, waiting[0]!.at - performance.now()));
  };
  const later = (deliver: () => void): void => {
    waiting.push({ at: performance.now() + delay, deliver });
    arm();
  };

  const carryOne = (chunk: Buffer): void => later(() => void (to.writable && to.write(chunk)));
  from.on("data", (chunk: Buffer) => {
    for (const piece of pieces === undefined ? [chunk] : cut(chunk, pieces)) carryOne(piece);
  });
  from.on("end", () => later(() => to.end()));
  from.on("error", () => later(() => to.resetAndDestroy()));
  to.once("close", () => {
    clearTimeout(timer);
    waiting.length = 0;
  });
}

/**
 * Listens on a free port of 127.0.0.1 and passes everything on to another, `delay` ms late in each direction, and in
 * pieces of these lengths, if any. Closed after the test.
 */
export async function startDelayingProxy(port: number, delay: number, pieces?: Lengths): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    carry(near, far, delay, pieces);
    carry(far, near, delay, pieces);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

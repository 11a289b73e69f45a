/** Peers that do not read what they are sent, or not as fast as it comes. */
import { openFaulty, type Fault, type FaultOptions, type FaultyPeer } from "./faulty-peer.js";

/** Asks and never reads again, not even Close. */
export const neverReads: Fault = async (target, options = {}) => {
  const peer = await openFaulty(target, options);
  peer.client.socket.pause();
  // As far as its own socket takes them: the server stops reading when it cannot reply.
  void peer.pour(options.requests ?? 3);
  return peer;
};

export interface ReadsSlowlyOptions extends FaultOptions {
  /** Default 1 000. */
  bytesPerSecond?: number;
}

/** Asks and reads so many bytes a second; in all else it behaves. */
export const readsSlowly: Fault<ReadsSlowlyOptions> = async (target, options = {}) => {
  const peer = await openFaulty(target, options);
  pace(peer, options.bytesPerSecond ?? 1000);
  peer.send(options.requests ?? 3);
  return peer;
};

/** A reader that was kept waiting may catch up on so many milliseconds at once. */
const CREDIT = 250;

/** After each chunk it waits until so much may have been read. */
function pace({ client: { socket } }: FaultyPeer, bytesPerSecond: number): void {
  let timer: NodeJS.Timeout | undefined;
  let nextAt = performance.now();
  socket.on("data", (chunk: Buffer) => {
    const now = performance.now();
    nextAt = Math.max(nextAt, now - CREDIT) + (chunk.length / bytesPerSecond) * 1000;
    if (nextAt <= now) return;
    socket.pause();
    clearTimeout(timer);
    timer = setTimeout(() => socket.resume(), nextAt - now);
  });
  socket.once("close", () => clearTimeout(timer));
}

export interface StopsReadingOptions extends FaultOptions {
  /** Bytes after which it stops. Default 64 KiB. */
  after?: number;
}

/** Asks, reads some bytes of what it is sent, and stops. */
export const stopsReading: Fault<StopsReadingOptions> = async (target, options = {}) => {
  const { after = 64 * 1024 } = options;
  const peer = await openFaulty(target, options);
  const { socket } = peer.client;
  const stopped = new Promise<void>((resolve) => {
    socket.on("data", () => {
      if (socket.bytesRead < after) return;
      socket.pause();
      resolve();
    });
  });
  peer.send(options.requests ?? 3);
  await stopped;
  return peer;
};

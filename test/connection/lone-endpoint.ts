/** An endpoint on a socket in memory, without a server: what its server would know is written down here. */
import { onTestFinished } from "vitest";
import { systemClock, type Clock } from "../../src/base/clock.js";
import type { Compression } from "../../src/connection/compression.js";
import type { Consumer } from "../../src/connection/consumer.js";
import { Endpoint, type EndpointOwner } from "../../src/connection/endpoint.js";
import type { Handler } from "../../src/connection/handler.js";
import { HandlerRun } from "../../src/connection/handler-run.js";
import type { ConnectionOptions } from "../../src/connection/options.js";
import { drainDefaults, type DrainOptions } from "../../src/drain/options.js";
import type { DrainReport } from "../../src/drain/report.js";
import { defaults } from "../../src/index.js";
import { Opcode } from "../../src/wire/frame.js";
import { MemorySocket } from "../tools/memory-socket.js";
import { closePayload, rawFrame, rawFrames, type RawFrame } from "../wire/raw-frame.js";
import { decode, essence } from "../wire/recording.js";

export interface Lone<Taker extends Consumer> {
  endpoint: Endpoint<Taker>;
  socket: MemorySocket;
  tally: DrainReport["messages"];
  /** Whether the server has been told that it is over. */
  readonly isOver: boolean;
  /** What the peer sends, each call as one chunk. */
  peer: {
    send: (...messages: (string | Buffer)[]) => void;
    frames: (...frames: RawFrame[]) => void;
    close: (code?: number) => void;
    end: () => void;
  };
}

export interface LoneOptions extends Partial<Omit<ConnectionOptions, "decoding">> {
  textAsBytes?: boolean;
  compression?: Compression | undefined;
  draining?: boolean;
  clock?: Clock;
  drain?: Partial<DrainOptions>;
}

let connections = 0;

/** Such an endpoint, begun and reading. It is over after the test, whatever the test did. */
export function loneEndpoint<Taker extends Consumer>(
  makeConsumer: (endpoint: Endpoint) => Taker,
  {
    textAsBytes = false,
    compression,
    draining = false,
    clock = systemClock,
    drain = {},
    ...options
  }: LoneOptions = {},
): Lone<Taker> {
  const socket = new MemorySocket({ allowHalfOpen: true });
  const tally = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
  let isOver = false;
  const { maxPayload, maxFragments, inboxLimit, highWaterMark, outboxLimit } = defaults;
  const host: EndpointOwner = {
    options: {
      decoding: { maxPayload, maxFragments, masked: true, compression: false, textAsBytes },
      inboxLimit,
      highWaterMark,
      outboxLimit,
      ...options,
    },
    clock,
    kernel: { unacknowledged: (_, tell) => tell(0), forget: () => {} },
    endingOptions: { ...drainDefaults, ...drain, closeReplyTimeout: 5_000, goneTimeout: 30_000 },
    tally,
    draining,
    connectionClosed: () => (isOver = true),
  };
  const accepted = { number: ++connections, socket, remoteAddress: "192.0.2.1", compression };
  const endpoint = new Endpoint(host, accepted, makeConsumer);
  onTestFinished(async () => {
    socket.destroy();
    await rest();
    if (!isOver) endpoint.settled(false);
  });
  endpoint.start(Buffer.alloc(0));
  const frames = (...all: RawFrame[]): void => socket.receive(rawFrames(...all));
  return {
    endpoint,
    socket,
    tally,
    get isOver() {
      return isOver;
    },
    peer: {
      send: (...messages) =>
        frames(
          ...messages.map((payload) => ({
            opcode: typeof payload === "string" ? Opcode.text : Opcode.binary,
            payload,
          })),
        ),
      frames,
      close: (code = 1000) => socket.receive(rawFrame({ opcode: Opcode.close, payload: closePayload(code) })),
      end: () => socket.receiveEnd(),
    },
  };
}

/** Who connects, where it does not matter. */
const GUEST = {
  request: { method: "GET", url: "/", httpVersion: "1.1", headers: {} },
  requestIsShared: true,
  protocol: "",
  principal: undefined,
};

export interface LoneHandler extends Lone<HandlerRun<undefined>> {
  /** What the handler failed with. */
  errors: unknown[];
}

/** Such an endpoint, with a handler that runs over it. */
export function loneHandler(handler: Handler, options?: LoneOptions): LoneHandler {
  const errors: unknown[] = [];
  const host = {
    handler,
    reportError: (error: unknown) => errors.push(error),
    shutdownOf: () => Promise.reject(new Error("There is no server.")),
  };
  return Object.assign(
    loneEndpoint((endpoint) => new HandlerRun(host, endpoint, GUEST), options),
    { errors },
  );
}

/** All that takes no time has happened. */
export async function rest(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
}

/** Everything that was written, as one. */
export function written(socket: MemorySocket): Buffer {
  return Buffer.concat(socket.writes.flat());
}

/** The frames that were written, one line each: messages as text, the payload of others in hex. */
export function framesTo(socket: MemorySocket, compression = false): string[] {
  return essence(decode([written(socket)], { maxPayload: 2 ** 31, masked: false, compression }));
}

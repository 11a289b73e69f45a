/**
 * A real connection in virtual time, on a socket in memory, with its peer and a handler that follows a script; and all
 * that could be seen of it, inside and outside.
 */
import { Endpoint, type EndpointOwner } from "../../src/connection/endpoint.js";
import type { Connection, Handler } from "../../src/connection/handler.js";
import { HandlerRun } from "../../src/connection/handler-run.js";
import type { ConnectionOptions } from "../../src/connection/options.js";
import { MAX_WRITE } from "../../src/connection/outbox.js";
import { EndingMachine } from "../../src/drain/ending-machine.js";
import type { EndingOptions, EndingAction, EndingEvent } from "../../src/drain/events.js";
import type { DrainReport } from "../../src/drain/report.js";
import { VirtualPeer, type PeerScript } from "./virtual-peer.js";
import { VirtualSocket } from "./virtual-socket.js";
import type { VirtualTime } from "./virtual-time.js";

export interface HandlerScript {
  /** How long each message takes, the list over and over. */
  work: readonly number[];
  /** What it does once it has had so many messages. */
  stops?: { after: number; how: "returns" | "throws" | "hangs" } | undefined;
  /** Its loop over, it waits so long, says one thing more and returns. */
  lastWords?: number | undefined;
  /** It sends at these times, whatever the state of the connection. */
  strays?: readonly number[] | undefined;
}

export interface ConnectionScript {
  number: number;
  options: EndingOptions;
  handler: HandlerScript;
  peer: PeerScript;
  /** Messages; reading pauses when so many wait, and resumes at half of them. */
  inboxLimit: number;
  /** Replies; the handler gets the next message while fewer wait. */
  highWaterMark: number;
  /** Replies that the two kernels hold for a peer that does not read. */
  kernelBuffer: number;
  /** When the application closes it. */
  closesAt?: number | undefined;
}

/** When something happened, and in what order with all else on its connection. */
interface Noted {
  at: number;
  order: number;
}

/** What a connection needs of its server. */
export interface WatchedOwner {
  readonly draining: boolean;
  readonly tally: DrainReport["messages"];
  connectionClosed(connection: WatchedConnection): void;
}

/** What a machine was told and what it asked for. */
interface Log {
  events: (EndingEvent & Noted)[];
  performed: (EndingAction & Noted)[];
}

const logs = new WeakMap<EndingMachine, Log>();

/** What every machine does is written down: it is looked at, and not touched. */
const handle = Object.getOwnPropertyDescriptor(EndingMachine.prototype, "handle")!
  .value as EndingMachine["handle"];
EndingMachine.prototype.handle = function (event, now) {
  const log = logs.get(this) ?? { events: [], performed: [] };
  logs.set(this, log);
  const noted = (): Noted => ({ at: now, order: log.events.length + log.performed.length });
  log.events.push({ ...event, ...noted() });
  const actions = handle.call(this, event, now);
  for (const action of actions) log.performed.push({ ...action, ...noted() });
  if (event.type === "tick" && this.wakeAt <= now) {
    throw new Error(`woken at ${now}, the machine wants to be woken at ${this.wakeAt} again`);
  }
  return actions;
};

/** A reply that fills a write of its own: so the kernel's room counts replies. Only its length matters. */
const REPLY = Buffer.alloc(MAX_WRITE - 128);
const REPLY_FRAME = REPLY.length + 10;

export class WatchedConnection {
  // What happened, for the tests.
  readonly received: { id: number; at: number; beforeCut: boolean }[] = [];
  readonly delivered: { id: number; at: number }[] = [];
  /** Replies that `send` took, and those that it did not take. */
  accepted = 0;
  refused = 0;
  settledAt = Infinity;
  /** When it was let in. */
  openedAt = 0;
  socketClosedAt = Infinity;
  closedAt = Infinity;

  readonly peer: VirtualPeer;
  readonly script: ConnectionScript;
  readonly endpoint: Endpoint<HandlerRun<undefined>>;
  /** Counted since the connection was opened. */
  readonly counts: DrainReport["messages"] = { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 };
  readonly #time: VirtualTime;
  readonly #socket: VirtualSocket;

  constructor(time: VirtualTime, script: ConnectionScript, host: WatchedOwner) {
    this.#time = time;
    this.script = script;
    const socket = new VirtualSocket(script.kernelBuffer);
    this.#socket = socket;
    this.peer = new VirtualPeer(time, script.peer, socket);
    socket.connectTo(this.peer);
    socket.once("close", () => (this.socketClosedAt = time.now));
    this.endpoint = new Endpoint(
      this.#hostFor(host),
      { number: script.number, socket, remoteAddress: "192.0.2.1", compression: undefined },
      (endpoint) =>
        new HandlerRun(
          {
            handler: this.#handler,
            reportError: () => {},
            shutdownOf: () => Promise.reject(new Error("There is no server.")),
          },
          endpoint,
          GUEST,
        ),
    );
    this.#watchMessages();
    for (const at of script.handler.strays ?? []) time.at(at, () => this.#send());
    if (script.closesAt !== undefined) time.at(script.closesAt, () => this.#connection.close(3000));
  }

  start(): void {
    this.openedAt = this.#time.now;
    this.endpoint.start(Buffer.alloc(0));
  }

  get machine(): EndingMachine | undefined {
    return this.endpoint.machine;
  }

  get events(): readonly (EndingEvent & Noted)[] {
    return this.machine === undefined ? [] : logs.get(this.machine)!.events;
  }

  get performed(): readonly (EndingAction & Noted)[] {
    return this.machine === undefined ? [] : logs.get(this.machine)!.performed;
  }

  performedFirst<Type extends EndingAction["type"]>(
    type: Type,
  ): (EndingAction & Noted & { type: Type }) | undefined {
    return this.performed.find(
      (action): action is EndingAction & Noted & { type: Type } => action.type === type,
    );
  }

  /** When the first of these events came; Infinity if none did. */
  firstAt(...types: EndingEvent["type"][]): number {
    return this.events.find(({ type }) => types.includes(type))?.at ?? Infinity;
  }

  get drainedAt(): number {
    return this.firstAt("drain");
  }

  get lastCallAt(): number {
    return this.firstAt("last-call");
  }

  get forcedAt(): number {
    return this.firstAt("force");
  }

  get endedByReset(): boolean {
    return this.events.some((event) => event.type === "socket-closed" && event.reset);
  }

  get carried(): number {
    return this.#socket.carried;
  }

  get unreadAtDestroy(): number {
    return this.#socket.unreadAtDestroy;
  }

  get #connection(): Connection {
    return this.endpoint.consumer.connection;
  }

  #hostFor(host: WatchedOwner): EndpointOwner {
    const { inboxLimit, highWaterMark, options } = this.script;
    const connectionOptions: ConnectionOptions = {
      decoding: { maxPayload: 1024, maxFragments: 1024, masked: true, compression: false },
      inboxLimit: { bytes: Infinity, messages: inboxLimit },
      highWaterMark: highWaterMark * REPLY_FRAME,
      outboxLimit: Infinity,
    };
    return {
      options: connectionOptions,
      clock: this.#time.clock,
      kernel: { unacknowledged: (_, tell) => tell(this.#socket.inKernel * REPLY_FRAME), forget: () => {} },
      endingOptions: options,
      tally: bothOf(this.counts, () => host.tally),
      get draining() {
        return host.draining;
      },
      connectionClosed: () => {
        this.closedAt = this.#time.now;
        host.connectionClosed(this);
      },
    };
  }

  #watchMessages(): void {
    const receive = this.endpoint.onMessage.bind(this.endpoint);
    this.endpoint.onMessage = (data) => {
      const beforeCut = this.performedFirst("cut") === undefined;
      this.received.push({ id: Number(data), at: this.#time.now, beforeCut });
      receive(data);
    };
  }

  readonly #handler: Handler = async (connection) => {
    try {
      await this.#serve(connection);
    } finally {
      this.settledAt = this.#time.now;
    }
  };

  async #serve(connection: Connection): Promise<void> {
    const { work, stops, lastWords } = this.script.handler;
    const messages = connection[Symbol.asyncIterator]();
    for (;;) {
      if (stops !== undefined && this.delivered.length === stops.after) {
        if (stops.how === "hangs") await new Promise(() => {});
        if (stops.how === "throws") throw new Error("on purpose");
        return;
      }
      const { value: message, done } = await messages.next();
      if (done) break;
      const id = Number(message);
      this.delivered.push({ id, at: this.#time.now });
      await this.#time.sleep(work[id % work.length]!);
      this.#send();
    }
    if (lastWords === undefined) return;
    await this.#time.sleep(lastWords);
    this.#send();
  }

  #send(): void {
    if (this.#connection.send(REPLY)) this.accepted++;
    else this.refused++;
  }
}

const GUEST = {
  request: { method: "GET", url: "/", httpVersion: "1.1", headers: {} },
  requestIsShared: true,
  protocol: "",
  principal: undefined,
};

/** Counts in two books at once: a connection's own, and whatever is the server's at the moment. */
function bothOf(
  own: DrainReport["messages"],
  shared: () => DrainReport["messages"],
): DrainReport["messages"] {
  const both = {};
  for (const name of Object.keys(own) as (keyof typeof own)[]) {
    Object.defineProperty(both, name, {
      get: () => own[name],
      set: (count: number) => {
        shared()[name] += count - own[name];
        own[name] = count;
      },
    });
  }
  return both as DrainReport["messages"];
}

/** Drives one machine by hand. Pings get their numbers as on a real connection. */
import { EndingMachine } from "../../src/drain/ending-machine.js";
import type { EndingOptions, EndingAction, EndingEvent } from "../../src/drain/events.js";
import { drainDefaults } from "../../src/drain/options.js";

export class Driver {
  readonly machine: EndingMachine;
  /** The number of the last Ping. */
  pings = 0;
  /** What the kernel shows. It is taken to have been looked at behind each event. */
  kernel = { acknowledged: 0, unacknowledged: 0 };

  constructor(
    options: Partial<EndingOptions> = {},
    initially: { idle: boolean; reading: boolean } = { idle: true, reading: true },
  ) {
    this.machine = new EndingMachine(
      { ...drainDefaults, closeReplyTimeout: 5_000, goneTimeout: 30_000, ...options },
      initially,
    );
  }

  get state(): string {
    return this.machine.state;
  }

  /** What the machine does about an event, each action by its name, with what matters of it. */
  at(now: number, event: EndingEvent | EndingEvent["type"]): string[] {
    const happened = typeof event === "string" ? withDetails(event) : event;
    const actions = this.machine.handle(happened, now);
    for (const { type } of actions) {
      if (type === "ping") this.machine.handle({ type: "pinged", nonce: ++this.pings }, now);
    }
    const looked = this.machine.handle({ type: "looked", ...this.kernel }, now);
    return [...actions, ...looked].filter(({ type }) => type !== "look").map(describeAction);
  }

  /** A Pong for the last Ping, or for the one with this number. */
  pong(now: number, nonce: number = this.pings): string[] {
    return this.at(now, { type: "pong", nonce });
  }

  /** Ticks when the machine asks for it, and says what was done then. */
  wake(): { at: number; actions: string[] } {
    const at = this.machine.wakeAt;
    return { at, actions: this.at(at, "tick") };
  }
}

function withDetails(type: EndingEvent["type"]): EndingEvent {
  switch (type) {
    case "peer-close":
      return { type, code: 1001, reason: "away" };
    case "violation":
      return { type, code: 1002, reason: "reserved bits are set" };
    case "close":
      return { type, code: 3000, reason: "moved" };
    case "fail":
      return { type, cause: "heartbeat", detail: "silent" };
    case "slow-consumer":
      return { type, code: 1008, reason: "too slow", detail: "9 bytes waited" };
    case "handler-settled":
      return { type, failed: false };
    case "socket-closed":
      return { type, reset: false };
    case "pinged":
    case "ping-sent":
    case "pong":
    case "looked":
      throw new Error(`${type} needs a number`);
    default:
      return { type };
  }
}

function describeAction(action: EndingAction): string {
  switch (action.type) {
    case "close":
      return `close ${action.code}${action.reason === "" ? "" : ` ${action.reason}`}`;
    case "drop-queue":
      return `drop-queue ${action.as}`;
    default:
      return action.type;
  }
}

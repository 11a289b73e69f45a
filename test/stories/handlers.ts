/** The handlers of the stories, and the log that they keep: all that is known of what was done. */
import { once } from "node:events";
import { each, type Connection, type Handler, type Message } from "../../src/index.js";
import { work } from "../tools/timing.js";
import type { HandlerPlan } from "./story.js";

/** What the handler of one connection did. */
export class HandlerLog {
  readonly id: string;
  /** The messages in the order in which they were started, by their numbers. */
  readonly started: number[] = [];
  /** How many of them the handler was finished with, also by throwing. */
  finished = 0;
  /** Replies that `send()` has taken, and how many it has not. */
  readonly taken: string[] = [];
  refused = 0;
  settled = false;
  /** Whether `waitUntil()` was given a promise that never settles. */
  overstays = false;

  constructor(id: string) {
    this.id = id;
  }
}

/** The number of a message: what stands before the padding. */
function numberOf(message: Message): number {
  return Number.parseInt(String(message).slice(0, 10), 10);
}

/** What a message is answered with. */
function replyTo(message: Message, padding: number): string {
  return `${numberOf(message)} done${".".repeat(padding)}`;
}

/** A handler as planned. Its logs are found by the number of the peer, which is in the path of the request. */
export function handlerOf(plan: HandlerPlan, logs: Map<number, HandlerLog>): Handler {
  return async (connection) => {
    const peer = Number(connection.request.url.slice(1));
    const log = new HandlerLog(connection.id);
    logs.set(peer, log);
    try {
      await serve(plan, connection, log);
    } finally {
      log.settled = !log.overstays;
    }
  };
}

async function serve(plan: HandlerPlan, connection: Connection, log: HandlerLog): Promise<void> {
  const send = (reply: string): void => {
    if (connection.send(reply)) log.taken.push(reply);
    else log.refused++;
  };
  const start = (message: Message): void => {
    log.started.push(numberOf(message));
  };

  if (plan.kind === "doing nothing") await new Promise(() => {});
  if (plan.kind === "pushing") {
    send("pushed");
    const over = AbortSignal.any([connection.draining, connection.signal]);
    if (!over.aborted) await once(over, "abort");
    send("last words");
    return;
  }
  if (plan.kind === "concurrent") {
    const serveOne = async (message: Message): Promise<void> => {
      start(message);
      await work(plan.work);
      send(replyTo(message, plan.padding));
      log.finished++;
    };
    await each(serveOne, { concurrency: 3 })(connection);
    return;
  }
  for await (const message of connection) {
    start(message);
    const reply = replyTo(message, plan.padding);
    if (numberOf(message) === plan.at) {
      if (plan.kind === "stuck") await new Promise(() => {});
      if (plan.kind === "overstaying") {
        log.overstays = true;
        connection.waitUntil(new Promise(() => {}));
      }
      if (plan.kind === "throwing") {
        log.finished++;
        throw new Error("as planned");
      }
    }
    if (plan.kind === "deferring") {
      connection.waitUntil(work(plan.work).then(() => send(reply)));
    } else {
      await work(plan.work);
      send(reply);
    }
    log.finished++;
    if (plan.kind === "returning" && numberOf(message) === plan.at) return;
  }
}

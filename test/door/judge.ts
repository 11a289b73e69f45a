/** The rules that every world keeps, whatever happens in it; judged by what clients, app and reports say. */
import { bound, ms } from "../tools/timing.js";
import type { Executed } from "./app.js";
import type { Seen, ServerSeen } from "./play.js";
import type { Answer, ClientScript, ClientSeen, Exchange } from "./script.js";

/**
 * How long before the door was closed a client must have been connected to be sure of its place. Between the last look
 * into the accept queue and the call that closes it the system may give the processor to somebody else.
 */
const THRESHOLD = ms(30);

/** How long a shutdown may take when the last one has been served: the end of TCP, a quiet moment, a busy machine. */
const SOON = bound(500);

interface Client {
  script: ClientScript;
  seen: ClientSeen;
}

/** How many breaches of one rule are told. */
const MOST = 4;

/** What broke a rule, in words. */
export function judge(seen: Seen): string[] {
  const scripts = new Map(seen.world.clients.map((script) => [script.name, script]));
  const clients = seen.clients.map((one) => ({ seen: one, script: scripts.get(one.name)! }));
  return new Judgement(seen, clients).all();
}

/** A world and what is wrong with it, for whoever has to find out why. */
export function describeBreaches({ world, servers, ...seen }: Seen, breaches: readonly string[]): string {
  const { clients: _, servers: __, ...rest } = world;
  const { goingAt, doorClosedAt, stoodStill } = seen;
  const lines = [
    ...breaches,
    JSON.stringify({ ...rest, goingAt, doorClosedAt, stoodStill }, rounded),
    ...servers.map((server) => JSON.stringify({ ...server, error: String(server.error) }, rounded)),
  ];
  return lines.join("\n  ");
}

class Judgement {
  readonly #seen: Seen;
  readonly #clients: readonly Client[];
  readonly #breaches = new Map<string, string[]>();
  /** When the first server was forced after all had been told: what is under way may be cut then, and told. */
  readonly #forcedAt: number;

  constructor(seen: Seen, clients: readonly Client[]) {
    this.#seen = seen;
    this.#clients = clients;
    const forced = seen.servers.map(forcedAt).filter((at) => at >= seen.goingAt);
    this.#forcedAt = Math.min(Infinity, ...forced);
  }

  all(): string[] {
    for (const client of this.#clients) {
      this.#nothingForeign(client);
      this.#acceptedIsAnswered(client);
      this.#notRefusedByTheKernel(client);
      client.script.exchanges.forEach((exchange, index) => {
        const answer = client.seen.answers[index];
        this.#executedIsAnswered(client, exchange, answer);
        this.#upgradedIsServed(client, exchange, answer);
        this.#guestIsKnown(client, exchange, answer);
      });
    }
    this.#cutIsTold();
    for (const server of this.#seen.servers) {
      this.#endsSoon(server);
      this.#addsUp(server);
    }
    this.#forgotten();
    return [...this.#breaches.values()].flatMap((lines) =>
      lines.length <= MOST ? lines : [...lines.slice(0, MOST), `and ${lines.length - MOST} more of the kind`],
    );
  }

  #breach(rule: string, what: string, evidence?: unknown): void {
    const line = `${rule}: ${what}${evidence === undefined ? "" : ` ${JSON.stringify(evidence, rounded)}`}`;
    this.#breaches.set(rule, [...(this.#breaches.get(rule) ?? []), line]);
  }

  #nothingForeign({ seen }: Client): void {
    if (seen.foreign !== undefined) this.#breach("foreign", `client ${seen.name} read ${seen.foreign}`);
  }

  /** Who was connected before the door was closed gets an answer, if only a refusal; unless it left, or the end was forced. */
  #acceptedIsAnswered({ seen }: Client): void {
    if (seen.connectedAt === undefined || seen.answers.length > 0 || seen.foreign !== undefined) return;
    if (seen.connectedAt > this.#seen.doorClosedAt - THRESHOLD || hasLeft(seen)) return;
    if (seen.closedAt >= this.#forcedAt) return;
    // Without TLS there is nobody to be told, and who has not got so far within the grace is not waited for.
    if (this.#seen.world.host === "https" && (seen.readyAt ?? Infinity) > this.#graceOverAt - THRESHOLD)
      return;
    this.#breach(
      "accepted",
      `client ${seen.name} was connected, and got nothing (${seen.ended})`,
      times(seen),
    );
  }

  /** When the first grace is over. */
  get #graceOverAt(): number {
    const { servers, doorClosedAt } = this.#seen;
    return doorClosedAt + Math.min(...servers.map(({ plan }) => Math.min(plan.grace, plan.deadline)));
  }

  /** As long as a server listens that nobody has told to stop, its host lets everybody in. */
  #notRefusedByTheKernel({ seen }: Client): void {
    if (seen.ended !== "refused") return;
    const open = this.#seen.servers.find(
      ({ listenedAt, toldAt }) =>
        listenedAt !== undefined && listenedAt < seen.startedAt && toldAt > seen.closedAt,
    );
    if (open === undefined) return;
    this.#breach(
      "refused",
      `client ${seen.name} came to a closed port while ${pathOf(open)} listened`,
      times(seen),
    );
  }

  #executedIsAnswered({ seen }: Client, exchange: Exchange, answer: Answer | undefined): void {
    const executed = this.#seen.executed.get(exchange.id);
    if (executed?.foreignBody) this.#breach("foreign", `the app read another's bytes as ${exchange.id}`);
    if (executed === undefined || hasLeft(seen) || isWhole(answer, exchange)) return;
    if (isPlain(executed) && this.#wasForced(seen)) return;
    const got = `${answer?.bytes ?? 0} of ${exchange.size} bytes (${seen.ended})`;
    this.#breach(
      "executed",
      `${exchange.id}, by ${executed.by}, was not answered whole: ${got}`,
      times(seen),
    );
  }

  #wasForced(seen: ClientSeen): boolean {
    return seen.closedAt >= this.#forcedAt;
  }

  /** What was cut is in the report of a server that went down then. */
  #cutIsTold(): void {
    const cut = this.#clients.flatMap(({ seen, script }) =>
      script.exchanges.flatMap((exchange, index) => {
        const executed = this.#seen.executed.get(exchange.id);
        const answer = seen.answers[index];
        if (executed === undefined || !isPlain(executed) || hasLeft(seen)) return [];
        return isWhole(answer, exchange) ? [] : [{ ...executed, answer, ...times(seen) }];
      }),
    );
    const told = this.#seen.servers.reduce((sum, { report }) => sum + (report?.requests.cut ?? 0), 0);
    if (told >= cut.length) return;
    this.#breach("told", `${cut.length} responses were cut, and ${told} told`, cut.slice(0, MOST));
  }

  #upgradedIsServed({ seen }: Client, exchange: Exchange, answer: Answer | undefined): void {
    // What comes behind the last answer need not be read.
    const isOver = seen.answers.some(
      ({ last, status }, index) =>
        last && status !== 101 && index < seen.answers.length && seen.answers[index] !== answer,
    );
    if (exchange.kind !== "upgrade" || isOver) return;
    const sentAt = seen.sentAt[exchange.id];
    const server = this.#serverOf(exchange.path!, sentAt ?? Infinity);
    if (sentAt === undefined || server === undefined || leftEarly(seen)) return;
    if (answer?.status === 101 && answer.id === "") {
      this.#messagesAreEchoed(seen, exchange, answer, server);
      return;
    }
    // What nobody has claimed is another stack's first.
    if (answer?.id === exchange.id && server.plan.path === undefined) return;
    const answeredAt = answer?.at ?? seen.closedAt;
    if (server.toldAt > answeredAt) {
      this.#breach(
        "served",
        `the upgrade ${exchange.id} got ${answer?.status ?? `nothing (${seen.ended})`} while ${pathOf(server)} listened`,
        times(seen),
      );
    }
  }

  /** Who came before a server was told to stop, and asks within its grace, is served. */
  #guestIsKnown({ seen }: Client, exchange: Exchange, answer: Answer | undefined): void {
    const sentAt = seen.sentAt[exchange.id];
    // Another stack may refuse a path whose server is down.
    if (answer?.id !== "") return;
    if (exchange.kind !== "upgrade" || answer?.status === 101 || sentAt === undefined) return;
    if (seen.answers.some(({ last }, index) => last && seen.answers[index] !== answer)) return;
    const host = this.#seen.servers.find(
      ({ plan, listenedAt, toldAt, closeAt, endedAt }) =>
        plan.path === exchange.path &&
        // One that is idle is down at once while others listen: who comes to it is told so.
        (answer.status === 404 || (endedAt ?? Infinity) > answer.at) &&
        plan.goes === "shutdown" &&
        // Who waits to be signed in when the grace is over is refused.
        plan.signIn <= 0 &&
        (closeAt ?? Infinity) > answer.at &&
        (listenedAt ?? Infinity) < seen.connectedAt! &&
        toldAt > seen.connectedAt! &&
        toldAt + Math.min(plan.grace, plan.deadline) - ms(50) > answer.at,
    );
    if (host === undefined) return;
    this.#breach(
      "guest",
      `the upgrade ${exchange.id} got ${answer.status} within the grace of ${pathOf(host)}`,
      times(seen),
    );
  }

  /** What was sent before the server was told, or with the handshake, is served. */
  #messagesAreEchoed(seen: ClientSeen, exchange: Exchange, answer: Answer, server: ServerSeen): void {
    if (forcedAt(server) < seen.closedAt || hasLeft(seen)) return;
    const sent = exchange.messages.filter((_, index) => {
      const at = seen.sentAt[`${exchange.id}#${index}`];
      return at !== undefined && (at < server.toldAt || at === seen.sentAt[exchange.id]);
    });
    if (answer.echoed >= sent.length) return;
    this.#breach(
      "served",
      `${exchange.id}: ${answer.echoed} of ${sent.length} messages were echoed`,
      times(seen),
    );
  }

  /** The server that listened for a path when a request was sent, and so when it came. */
  #serverOf(path: string, sentAt: number): ServerSeen | undefined {
    const there = this.#seen.servers.filter(
      ({ listenedAt, endedAt }) =>
        listenedAt !== undefined && listenedAt < sentAt && (endedAt ?? Infinity) > sentAt,
    );
    const own = there.filter(({ plan }) => plan.path === path);
    const any = there.filter(({ plan }) => plan.path === undefined);
    return own.at(-1) ?? any.at(-1);
  }

  #endsSoon({ plan, toldAt, endedAt, report, ...server }: ServerSeen): void {
    if (report === undefined || endedAt === undefined) {
      this.#breach("ends", `${pathOf({ plan })} has no report`);
      return;
    }
    const forced = forcedAt({ plan, toldAt, ...server });
    // Some still read what the kernel has when the server has nothing left. A tunnel is not waited for.
    const active = this.#clients
      .filter(({ script }) => script.exchanges.every(({ kind }) => kind !== "tunnel"))
      .map(({ seen }) => Math.min(seen.activeAt, endedAt));
    const due = Math.max(toldAt + plan.grace, ...active);
    // The bounds hold as long as the loop turns.
    const stoodStill = this.#seen.stoodStill
      .filter(({ until }) => until > toldAt)
      .reduce((sum, { from, until }) => sum + until - from, 0);
    const limit = Math.min(due, forced) + SOON + stoodStill;
    if (endedAt <= limit) return;
    const late = Math.round(endedAt - due);
    this.#breach("ends", `${pathOf({ plan })} ended ${late} ms after the last one was served`, report);
  }

  #addsUp(server: ServerSeen): void {
    const { report, echoed, echoedBefore, connections, connectionsBefore } = server;
    if (report === undefined) return;
    const { total, closed, left, unconfirmed, forced } = report.connections;
    const isForced = forced + report.messages.abandoned > 0;
    if (total !== closed + left + unconfirmed + forced) this.#breach("adds up", "connections", report);
    if (total < connectionsBefore || total > connections) {
      this.#breach("adds up", `${connectionsBefore} to ${connections} connections there were`, report);
    }
    const served = echoed - echoedBefore;
    if (isForced ? report.messages.served > served : report.messages.served !== served) {
      this.#breach("adds up", `${served} messages were served`, report);
    }
  }

  #forgotten(): void {
    const { socketsLeft, listenersLeft, servers, errors } = this.#seen;
    if (socketsLeft > 0) this.#breach("forgotten", `${socketsLeft} sockets are left`);
    if (listenersLeft.length > 0)
      this.#breach("forgotten", `listeners are left: ${listenersLeft.join(", ")}`);
    for (const { plan, connectionsLeft } of servers) {
      if (connectionsLeft > 0)
        this.#breach("forgotten", `${connectionsLeft} connections of ${pathOf({ plan })} are left`);
    }
    for (const { seen } of this.#clients) {
      if (seen.ended === "given up") this.#breach("forgotten", `client ${seen.name} was never ended`, seen);
    }
    for (const error of errors) this.#breach("errors", String(error));
  }
}

/** When a server was forced, if it lived so long. */
function forcedAt({ plan, toldAt, closeAt }: Pick<ServerSeen, "plan" | "toldAt" | "closeAt">): number {
  return Math.min(closeAt ?? Infinity, toldAt + plan.deadline);
}

/** Whether a client has gone of its own accord: Node takes the FIN of a plain client for that too. */
function hasLeft({ leftAt, closedAt }: ClientSeen): boolean {
  return leftAt !== undefined && leftAt <= closedAt;
}

/** One that has ended its side still reads. */
function leftEarly({ ended, leftAt }: ClientSeen): boolean {
  return leftAt !== undefined && ended === "left";
}

function isPlain({ by }: Executed): boolean {
  return by !== "connect" && by !== "upgrade";
}

function isWhole(answer: Answer | undefined, { id, size }: Exchange): boolean {
  return answer !== undefined && answer.id === id && answer.whole && answer.bytes === size;
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value) : value;
}

function pathOf({ plan }: Pick<ServerSeen, "plan">): string {
  return plan.path === undefined ? "the server without a path" : `the server of ${plan.path}`;
}

function times({
  connectedAt,
  readyAt,
  sentAt,
  leftAt,
  activeAt,
  closedAt,
  answers,
  ended,
}: ClientSeen): object {
  const got = answers.map(({ status, at }) => `${status} at ${Math.round(at)}`);
  return { connectedAt, readyAt, leftAt, activeAt, closedAt, ended, got, sentAt };
}

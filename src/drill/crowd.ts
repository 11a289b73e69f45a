/** The clients of a run: they are connected, loaded and waited for together. */
import { performance } from "./real-timers.js";
import { Client, wellBehaved, type Behaviour, type Clock } from "./client.js";
import { Conversation, type Company, type Role } from "./conversation.js";
import { DrillError } from "./errors.js";
import { Guests } from "./guests.js";
import { count } from "./words.js";
import type { UpgradeTarget } from "./handshake.js";
import { isAnswered } from "./probe.js";
import { askOnce, pipelined, type LoadContext, type Profile } from "./profiles.js";
import type { Progress } from "./progress.js";
import type { DrillSettings } from "./result.js";
import type { Timers } from "./timers.js";

/** What a crowd needs. */
export interface CrowdPlan extends Pick<Company, "dialect" | "random" | "nextNumber" | "onError"> {
  profile: Profile;
  settings: DrillSettings;
  /** Bytes of a request, if the user said so. */
  size: number | undefined;
  /** How long connections, handshakes and acks may take before the load. */
  openPatience: number;
  target: UpgradeTarget;
  /** Those of the run: when they are cut, no more clients come. */
  timers: Timers;
  /** Whether the server's process is known, and with it its end. */
  hasProcess: boolean;
  /** Resolves when the server has been told to stop, or will not be. */
  signalled: Promise<void>;
}

/** So many connect at the same time: more would overrun the system's queue of connections to be accepted. */
const CONNECT_AT_ONCE = 100;

/** Between connections of newcomers, at least. */
const NEWCOMER_PAUSE = 100;

/**
 * Large requests: the replies to five of them are more than the system takes from a server whose client does not read
 * (about 4 MB, on Linux). Common limits are 1 MB and 1 MiB.
 */
const LARGE = 1_000_000;

/** What a client that reads at a rate asks for is read in this part of the time that the server has. */
const SHARE_OF_TIMEOUT = 0.5;

/** How many clients try out whether half-closed ones are served, and what each of them asks. */
const HALF_CLOSED_PROBES = 3;
const PROBE_REQUESTS = 3;

/** Requests of a server that takes no large ones, or when all together would be more than the drill should hold. */
const MODEST = 8 * 1024;
const MOST_AT_ONCE = 64 * 1024 * 1024;

/** Refusals of our own system: the server has no part in them. */
const OURS = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS"]);

function noMoreSockets(code: string, number: number): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `The system gives the drill no socket for connection ${number} (${code}). Raise its limit (ulimit -n), or lower \`connections\`.`,
  );
}

const now: Clock = () => performance.now();

export class Crowd {
  readonly conversations: Conversation[] = [];
  /** Of a profile whose clients arrive around the signal. */
  readonly guests: Guests;
  readonly #plan: CrowdPlan;
  readonly #company: Company;
  readonly #context: LoadContext;

  constructor(plan: CrowdPlan) {
    this.#plan = plan;
    const { dialect, random, nextNumber, onError, settings, signalled } = plan;
    this.#company = { dialect, random, nextNumber, onError, now, size: settings.size };
    const { requests, interval, readRate } = settings;
    this.#context = { requests, interval, readRate, random, signalled };
    this.guests = new Guests((role) => this.#come(role), plan.target.endpoint.port, plan.timers);
  }

  /** Requests have the size that the user says, or that the profile wants and this server takes. */
  async chooseSize(stopped: Promise<void>): Promise<void> {
    const { size, settings, profile } = this.#plan;
    this.#company.size = size ?? settings.size;
    if (size !== undefined || profile.large !== true) return;
    const { connections, requests, readRate = Infinity, timeout } = settings;
    const inTime = (readRate * (timeout / 1_000) * SHARE_OF_TIMEOUT) / requests;
    const large = Math.floor(Math.min(LARGE, MOST_AT_ONCE / (connections * requests), inTime));
    this.#company.size = large;
    const takesLarge = large > MODEST && (await this.#isAnswered((probe) => void probe.ask(), stopped));
    if (!takesLarge) this.#company.size = Math.max(MODEST, settings.size);
  }

  /**
   * Whether clients that have ended their side of TCP get their replies from this server at all. Several try: where a
   * proxy ends both sides it may be late with one.
   */
  async servesHalfClosed(stopped: Promise<void>): Promise<boolean> {
    const asking = (probe: Conversation): void => {
      pipelined(probe, { ...this.#context, requests: Math.min(PROBE_REQUESTS, this.#context.requests) });
      probe.client.halfClose();
    };
    const probes = Array.from({ length: HALF_CLOSED_PROBES }, () => this.#isAnswered(asking, stopped));
    return (await Promise.all(probes)).every(Boolean);
  }

  #isAnswered(act: (probe: Conversation) => void, stopped: Promise<void>): Promise<boolean> {
    return isAnswered(this.#newConversation(0, "witness"), act, this.#plan.timers, stopped);
  }

  /** Connects all, and opens those that do not hold their upgrade. */
  async connect(): Promise<void> {
    const { openPatience, profile, settings, timers } = this.#plan;
    const { connections } = settings;
    for (let first = 0; first < connections && !timers.isCut; first += CONNECT_AT_ONCE) {
      const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, connections - first) }, (_, index) => {
        const isWitness =
          profile.arrives === true || (profile.witnesses === true && (first + index) % 2 === 1);
        return this.#newConversation(first + index + 1, isWitness ? "witness" : "profile");
      });
      this.conversations.push(...some);
      await Promise.race([
        Promise.all(some.map((each) => this.#connectOne(each))),
        timers.after(openPatience),
      ]);
      for (const { client } of some) if (profile.holdsUpgrade !== true) client.giveUp();
      const waiting = some.filter((each) => each.client.isOpen && !each.isOpen).length;
      if (waiting > 0) throw noAck(waiting, openPatience);
    }
  }

  async #connectOne(conversation: Conversation): Promise<void> {
    const { client } = conversation;
    await client.connect();
    if (OURS.has(client.refused ?? "")) throw noMoreSockets(client.refused!, conversation.number);
    if (this.#plan.profile.holdsUpgrade !== true) await conversation.open();
  }

  /** Begins to load, unless the clients hold their upgrade. */
  load(): void {
    if (this.#plan.profile.holdsUpgrade === true) return;
    const closed = this.conversations.map(({ client }) => client.close);
    if (closed.every((close) => close !== undefined)) throw closedEarly(closed[0]!);
    for (const conversation of this.conversations) this.#loadOne(conversation);
  }

  #loadOne(conversation: Conversation): void {
    if (!conversation.isOpen) {
      // Ended before its turn: one that would have gone on sending first owes its answer.
      conversation.client.answerClose();
      return;
    }
    const load = this.#loadOf(conversation.role);
    void (async () => load(conversation, this.#context))().catch((error: unknown) =>
      this.#company.onError(error),
    );
  }

  #loadOf(role: Role): Profile["load"] {
    const { load, arrives } = this.#plan.profile;
    if (role === "profile") return load;
    if (role === "newcomer") return askOnce;
    // What is in hand when a server stands still is answered before or behind the signal, as it happens.
    return arrives === true ? () => {} : pipelined;
  }

  /** Sends the upgrades that were held: of every second client before the signal, of the others after it. */
  openHeld(when: "before" | "after"): void {
    if (this.#plan.profile.holdsUpgrade !== true) return;
    const open = async (conversation: Conversation): Promise<void> => {
      await conversation.open();
      this.#loadOne(conversation);
      await this.#leaveWhenServed(conversation);
    };
    const first = when === "before" ? 0 : 1;
    for (const held of this.conversations.filter((_, index) => index % 2 === first)) void open(held);
  }

  /** Clients that come while a lame duck still accepts. When it is gone too early, one more is enough. */
  async comeAnew(until: number, exited: Promise<void>): Promise<void> {
    const { timers, settings } = this.#plan;
    const { lameDuck } = settings;
    // At least one, however short the time is.
    const pause = Math.min(Math.max(NEWCOMER_PAUSE, lameDuck / 100), lameDuck / 2);
    let isGone = false;
    void exited.then(() => (isGone = true));
    for (;;) {
      await Promise.race([timers.after(pause), exited]);
      if (timers.isCut || performance.now() >= until) return;
      this.#come("newcomer");
      if (isGone) return;
    }
  }

  /** One more client: it connects, asks to be let in, and does what such clients do. */
  #come(role: Role): Conversation {
    const conversation = this.#newConversation(this.conversations.length + 1, role);
    this.conversations.push(conversation);
    void this.#admit(conversation);
    return conversation;
  }

  async #admit(conversation: Conversation): Promise<void> {
    const { client, number } = conversation;
    await client.connect();
    if (OURS.has(client.refused ?? "")) {
      this.#company.onError(noMoreSockets(client.refused!, number));
      return;
    }
    await conversation.open();
    this.#loadOne(conversation);
    await this.#leaveWhenServed(conversation);
  }

  /** Where only an address is known, who comes after the signal may have met the next server, which stays. */
  async #leaveWhenServed(conversation: Conversation): Promise<void> {
    if (this.#plan.hasProcess) return;
    const { client, requests } = conversation;
    await conversation.until(() => conversation.answered === requests.length || !client.isOpen);
    client.leave();
  }

  /** Resolves when every connection is over, and no more come. */
  async over(...arrivals: readonly Promise<void>[]): Promise<void> {
    await Promise.all(arrivals);
    for (const conversation of this.conversations) {
      await conversation.until(() => conversation.client.isOver);
    }
  }

  /** How far all are. */
  count(): Pick<Progress, "opened" | "sent" | "answered" | "ended"> {
    const counts = { opened: 0, sent: 0, answered: 0, ended: 0 };
    for (const { client, requests, answered } of this.conversations) {
      if (client.openedAt !== undefined) counts.opened++;
      if (client.isOver) counts.ended++;
      counts.sent += requests.length;
      counts.answered += answered;
    }
    return counts;
  }

  /** Takes all connections down. */
  destroy(): void {
    for (const conversation of this.conversations) conversation.destroy();
  }

  #behaviour(role: Role): Behaviour {
    return role === "profile" ? { ...wellBehaved, ...this.#plan.profile.behaviour } : wellBehaved;
  }

  #newConversation(number: number, role: Role): Conversation {
    return new Conversation(number, role, this.#company, (listener) => {
      return new Client(this.#plan.target, this.#behaviour(role), this.#company.now, listener);
    });
  }
}

/** Without a single request a drill would prove nothing, and pass. */
function closedEarly({ code, reason }: { code: number; reason: string }): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `The server closed every connection before a request could be sent (Close ${code}${reason === "" ? "" : `: ${reason}`}). Give what it asks for (\`headers\`, \`subprotocol\`, \`open\`).`,
  );
}

/** A client that is let in and never sends a request would prove nothing, and pass. */
function noAck(waiting: number, patience: number): DrillError {
  return new DrillError(
    "LASTCALL_DRILL_START",
    `${count(waiting, "connection")} waited ${patience / 1_000} s for a message after which requests may be sent, and none that came was that. Is \`openAck\` (or the script's ack) what the server says?`,
  );
}

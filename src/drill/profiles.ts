/** The ways in which clients behave while a server goes down. docs/drill.md is held against this table by a test. */
import type { Behaviour } from "./client.js";
import type { Conversation } from "./conversation.js";
import type { Random } from "./random.js";

/** What a profile is told of its run. */
export interface LoadContext {
  /** Requests for each connection. */
  requests: number;
  /** Milliseconds between messages that are sent by the clock. */
  interval: number;
  /** Bytes that a slow reader reads a second; undefined: it rests instead. */
  readRate: number | undefined;
  random: Random;
  /** Resolves when the server has been told to stop, or will not be. */
  signalled: Promise<void>;
}

/** The names of all profiles. docs/drill.md says what each does, and what a correct server does. */
export const profileNames = [
  "pipelined",
  "closed-loop",
  "stream",
  "slow-reader",
  "silent-peer",
  "half-close",
  "abort",
  "late-sender",
  "flood",
  "fragmented",
  "mid-frame",
  "handshake",
  "accept-queue",
  "far",
] as const;

/** The name of a profile. */
export type ProfileName = (typeof profileNames)[number];

/** One way to behave. */
export interface Profile {
  /** What its clients do, as a sentence that begins with a verb. */
  does: string;
  /** What a correct server does. */
  correct: string;
  /** What servers commonly do. */
  commonly: string;
  /** How its clients differ from well-behaved ones. */
  behaviour?: Partial<Behaviour>;
  /** Whether every second client is a witness, which sends its requests at once and keeps every rule. */
  witnesses?: boolean;
  /** Whether its requests are large, where the user does not say and the server takes them. */
  large?: boolean;
  /** Whether its clients are connected, but have not sent their upgrade, when the signal comes. */
  holdsUpgrade?: boolean;
  /**
   * Whether its clients arrive around the signal, at a server that stands still, beside as many idle witnesses as there
   * are connections.
   */
  arrives?: boolean;
  /** Whether no reply can reach its clients any more, by their own doing. */
  leaves?: boolean;
  /** Whether its replies are judged only if the server serves half-closed clients at all. */
  needsHalfClose?: boolean;
  /** What a client does once it is open. */
  load: (conversation: Conversation, context: LoadContext) => void | Promise<void>;
}

/** Sends all requests at once. */
export function pipelined(conversation: Conversation, { requests }: LoadContext): void {
  for (let sent = 0; sent < requests; sent++) conversation.ask();
}

/** For clients that are there for what comes before their request. */
export function askOnce(conversation: Conversation): void {
  conversation.ask();
}

async function closedLoop(conversation: Conversation, { requests }: LoadContext): Promise<void> {
  for (let sent = 0; sent < requests && conversation.isOpen; sent++) {
    const { replies } = conversation.ask();
    await conversation.until(() => replies.length > 0 || !conversation.isOpen);
  }
}

async function stream(conversation: Conversation, { requests, interval }: LoadContext): Promise<void> {
  for (let sent = 0; sent < requests && conversation.isOpen; sent++) {
    if (sent > 0) await conversation.pause(interval);
    if (conversation.isOpen) conversation.ask();
  }
}

/** Shorter than what servers give a client before they take it for dead. */
const SLOW_READER_REST = 1_000;

async function slowReader(conversation: Conversation, context: LoadContext): Promise<void> {
  const { client } = conversation;
  // From the first byte on: what it is slow with fills the server's buffers before the signal.
  if (context.readRate !== undefined) client.readAt(context.readRate);
  pipelined(conversation, context);
  if (context.readRate !== undefined) return;
  await context.signalled;
  client.stopReading();
  await conversation.pause(SLOW_READER_REST);
  client.readOn();
}

/** How many requests a late sender makes at most before the Close: it need not be waited for by a patient server. */
const LATE_SENDER_REQUESTS = 20;
const LATE_SENDER_PAUSE = 10;

async function lateSender(conversation: Conversation, context: LoadContext): Promise<void> {
  const { client } = conversation;
  pipelined(conversation, context);
  await stream(conversation, { ...context, requests: LATE_SENDER_REQUESTS });
  await conversation.until(() => !client.isOpen);
  const more = Math.min(context.requests, LATE_SENDER_REQUESTS);
  for (let sent = 0; sent < more && !client.isOver; sent++) {
    conversation.ask();
    await conversation.pause(LATE_SENDER_PAUSE);
  }
  client.answerClose();
}

/**
 * So many Pings at a time, so often: no silence, and no attack. A server may drop who has dozens of Pings unanswered, as
 * `ws` does with 60, so a short stall of the server must not pile up that many.
 */
const FLOOD_PINGS = 5;
const FLOOD_PAUSE = 10;
/** A server that does not read is not sent more. */
const FLOOD_BUFFER = 64 * 1024;

async function flood(conversation: Conversation, context: LoadContext): Promise<void> {
  const { client } = conversation;
  pipelined(conversation, context);
  while (client.isOpen) {
    const room = client.bufferedBytes < FLOOD_BUFFER ? FLOOD_PINGS : 0;
    for (let sent = 0; sent < room; sent++) client.ping("flood");
    await conversation.pause(FLOOD_PAUSE);
  }
}

/** Two cuts at random places. */
function inThree(message: Buffer, random: Random): number[] {
  const first = Math.floor(random() * message.length);
  return [first, Math.floor(random() * (message.length - first))];
}

function fragmented(conversation: Conversation, { requests, random }: LoadContext): void {
  for (let sent = 0; sent < requests; sent++) conversation.ask((message) => inThree(message, random));
}

/** All profiles. */
export const profiles: Readonly<Record<ProfileName, Profile>> = {
  pipelined: {
    does: "Sends all its requests at once and waits for the replies.",
    correct: "Answers all that were sent before the signal, then says Close, then ends TCP, then exits.",
    commonly: "Closes at once: the requests are executed, or not, and nobody is told which.",
    load: pipelined,
  },
  "closed-loop": {
    does: "Sends its next request when it has the reply to the last one.",
    correct: "Answers the request in hand. What is sent after the signal is answered, or cut off by a Close.",
    commonly: "Answers the request in hand and closes while the next one is on its way; or waits forever.",
    load: closedLoop,
  },
  stream: {
    does: "Sends a request every --interval, whatever comes back.",
    correct: "Answers what was sent before the signal, and says Close for the rest.",
    commonly: "Answers what it has, and drops what arrives between its last look and its Close.",
    load: stream,
  },
  "slow-reader": {
    does: "Sends large requests, reads nothing for a second from the signal on, and then reads on; with --read-rate it reads so many bytes a second from the start.",
    correct: "Waits, within a limit, until the replies and the Close are read.",
    commonly:
      "Sends Close and exits, or destroys the socket: what the system had not taken yet is torn away, which shows when that is more than some megabytes.",
    large: true,
    load: slowReader,
  },
  "silent-peer": {
    does: "Sends its requests, and answers neither Ping nor Close.",
    correct: "Answers them, says Close, and ends the connection when its patience is over.",
    commonly: "Waits for the client's Close for longer than it is given before it is killed.",
    behaviour: { answersPing: false, answersClose: "never" },
    load: pipelined,
  },
  "half-close": {
    does: "Sends its requests, ends its side of TCP without a Close, and reads on.",
    correct:
      "RFC 6455 asks for nothing here. A server that answers such clients while it runs does so while it goes down; of others nothing is asked.",
    commonly: "Drops the connection at the client's FIN, whether it is going down or not.",
    needsHalfClose: true,
    load(conversation, context) {
      pipelined(conversation, context);
      conversation.client.halfClose();
    },
  },
  abort: {
    does: "Sends its requests and resets the connection when the signal comes; every second client stays.",
    correct: "Serves those that stay, executes nothing twice, and exits.",
    commonly:
      "Goes on well; some crash on the error of a socket that nobody listens to, or count the client forever.",
    witnesses: true,
    leaves: true,
    async load(conversation, context) {
      pipelined(conversation, context);
      await context.signalled;
      conversation.client.reset();
    },
  },
  "late-sender": {
    does: "Sends its requests and goes on sending, through the server's Close, before it answers that.",
    correct:
      "Answers what was sent before the signal, and reads on behind its Close, so that no reset destroys replies.",
    commonly: "Destroys the socket with unread input: the reset takes replies and the Close with it.",
    behaviour: { answersClose: "behind more" },
    load: lateSender,
  },
  flood: {
    does: "Sends its requests, and 500 Pings a second until the server says Close.",
    correct: "Answers the requests all the same, and is not kept from going down.",
    commonly: "Goes on well; a server that waits for silence never finds it.",
    load: flood,
  },
  fragmented: {
    does: "Sends each request in three fragments, with Pings in between.",
    correct: "Treats them as whole messages.",
    commonly: "Goes on well; a server that stops reading in the middle of a message loses it.",
    load: fragmented,
  },
  "mid-frame": {
    does: "Sends its requests and half of a frame, and then nothing more.",
    correct: "Answers the requests, and does not wait for the other half for longer than it can.",
    commonly: "Waits for a Close that cannot come, until it is killed.",
    load(conversation, context) {
      pipelined(conversation, context);
      conversation.client.sendHalfFrame();
    },
  },
  handshake: {
    does: "Is connected, and sends its upgrade right before the signal, or (every second client) right after it.",
    correct:
      "Completes the handshakes and serves their requests, or refuses in words of HTTP; it resets nobody whose upgrade was sent before the signal.",
    commonly: "Closes the listener at once: what waits in the accept queue is reset.",
    holdsUpgrade: true,
    load: pipelined,
  },
  "accept-queue": {
    does: "Arrives around the signal with a hundred others, while the server stands still, and sends its upgrade, and then a request; those that came before are idle. Then the server runs for a twentieth of the time, for up to two seconds.",
    correct:
      "Lets in, or refuses in words of HTTP, everybody whom the system has accepted in its name: it accepts until a turn brings nobody, and closes the listener then.",
    commonly:
      "Closes the listener at once, or after a time by the clock: who is still in the accept queue is reset.",
    arrives: true,
    load: askOnce,
  },
  far: {
    does: "Sends its requests over a link with a round trip of 150 ms.",
    correct: "Waits for what was on its way when it was told to stop, a Ping's round trip for instance.",
    commonly: "Finds nothing in hand and closes: what is on its way arrives at a closed door.",
    behaviour: { delay: 75 },
    load: pipelined,
  },
};

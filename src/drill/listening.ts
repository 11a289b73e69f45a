/** Is there a WebSocket server? One client knocks, before the load, until it is let in or the time is up. */
import { performance } from "./real-timers.js";
import { createServer } from "node:net";
import { once } from "node:events";
import { Client, wellBehaved } from "./client.js";
import { DrillError } from "./errors.js";
import type { UpgradeTarget } from "./handshake.js";
import type { Exit } from "./servers/running.js";
import { within } from "./within.js";

/** Between two knocks. */
const PAUSE = 25;

/** How long the client that knocked waits for the server's goodbye. */
const GOODBYE_PATIENCE = 1_000;

/** Answers of a server, or of a proxy in front of it, that is not there yet. One of TCP accepts, and lets go. */
const NOT_YET = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "closed",
  "ended without an answer",
  "reset without an answer",
  "HTTP 502",
  "HTTP 503",
  "HTTP 504",
]);

/**
 * Where ports for servers come from: below those that Linux and macOS give to clients. Of these, anybody's next
 * connection could take one before the server does.
 */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
let ports = Math.floor(Math.random() * PORTS);

/** A port that nobody listens on; another one each time, as drills may run side by side. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries++) {
    const port = FIRST_PORT + (ports++ % PORTS);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw cannotStart(`No port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is free on this machine.`);
}

/** How long is knocked where nobody should be. */
const NOBODY_PATIENCE = 1_000;

/**
 * Looks whether a server answers before it is started.
 *
 * @throws DrillError when one does: it would be taken for the one that is to be drilled.
 */
export async function expectNobody(target: UpgradeTarget): Promise<void> {
  const answer = await knock(target, NOBODY_PATIENCE, new Promise(() => {}));
  if (answer !== undefined) return;
  throw cannotStart(
    `A WebSocket server answers at ${addressOf(target)} before the command is started, and would be drilled in its place. Stop it, or let the command listen elsewhere ({port}).`,
  );
}

/** How long is knocked, and what else ends it. */
export interface Knocking {
  /** Milliseconds. */
  patience: number;
  /** Resolves when the server is gone. */
  exited: Promise<Exit>;
  /** Its last words, as a sentence. */
  lastWords: () => Promise<string>;
  interrupted: AbortSignal;
}

/**
 * Resolves when a WebSocket could be opened, or `interrupted` aborts.
 *
 * @throws DrillError when it cannot, saying why.
 */
export async function untilListening(target: UpgradeTarget, knocking: Knocking): Promise<void> {
  const { patience, exited, interrupted, lastWords } = knocking;
  const until = performance.now() + patience;
  let exit: Exit | undefined;
  const over = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    void exited.then((ended) => {
      exit = ended;
      resolve();
    });
    interrupted.addEventListener("abort", () => resolve(), { once: true, signal: over.signal });
  });
  try {
    while (!interrupted.aborted) {
      const answer = await knock(target, Math.max(1_000, until - performance.now()), stopped);
      if (answer === undefined || interrupted.aborted) return;
      if (exit !== undefined) {
        const how = exit.code === undefined ? (exit.signal ?? "unknown cause") : `exit code ${exit.code}`;
        throw cannotStart(`The server ended with ${how} before it listened. ${await lastWords()}`);
      }
      const isLate = performance.now() >= until;
      if (!NOT_YET.has(answer) || isLate)
        throw cannotStart(await explain(target, answer, patience, lastWords));
      await within(PAUSE, stopped);
    }
  } finally {
    over.abort();
  }
}

/** Why there was no WebSocket; undefined when there was one. */
async function knock(
  target: UpgradeTarget,
  patience: number,
  stopped: Promise<void>,
): Promise<string | undefined> {
  let over!: () => void;
  const ended = new Promise<void>((resolve) => (over = resolve));
  const listener = { onMessage: () => {}, onEnding: () => {}, onEnded: () => over() };
  const client = new Client(target, wellBehaved, () => performance.now(), listener);
  const opening = async (): Promise<void> => {
    await client.connect();
    await client.open();
  };
  try {
    await within(patience, opening(), stopped);
    if (client.openedAt === undefined) return client.refused ?? "no answer";
    if (!client.isOpen) return `${howItEnded(client)} right behind the handshake`;
    client.leave();
    await within(GOODBYE_PATIENCE, ended, stopped);
    return undefined;
  } finally {
    client.destroy();
  }
}

function howItEnded({ close, violation, failure }: Client): string {
  const broken = violation ?? failure;
  if (broken !== undefined) return broken;
  return close === undefined ? "the end of the connection" : `a Close ${close.code} ${close.reason}`.trim();
}

async function explain(
  target: UpgradeTarget,
  answer: string,
  patience: number,
  lastWords: () => Promise<string>,
): Promise<string> {
  const where = addressOf(target);
  if (answer === "ECONNREFUSED") {
    const said = await lastWords();
    return `Nothing listens at ${where}${patience > 0 ? ` after ${patience / 1_000} s` : ""}. Does the server listen on the port in PORT, or on another one (\`url\`)? ${said}`;
  }
  if (answer === "no answer") {
    return `${where} accepts connections but does not answer a WebSocket handshake. Is it a WebSocket server, and the right port?`;
  }
  if (answer.startsWith("HTTP ")) {
    return `${where} answered the WebSocket handshake with ${answer}. Give the right path (\`url\`), or what it asks for (\`headers\`, \`subprotocol\`).`;
  }
  if (/CERT|SIGNED|SIGNATURE|ALTNAME/.test(answer)) {
    return `${where} has a certificate that is not trusted (${answer}). Give \`insecure\` if that is meant.`;
  }
  return `${where} is no WebSocket server that the drill can talk to: ${answer}.`;
}

/** Without the query, which may hold a token. */
function addressOf({ endpoint, host, path }: UpgradeTarget): string {
  return `${endpoint.tls === undefined ? "ws" : "wss"}://${host}${path.replace(/\?.*/, "")}`;
}

function cannotStart(message: string): DrillError {
  return new DrillError("LASTCALL_DRILL_START", message.trim());
}

/**
 * A chat and its page, on one port. Open the page twice, talk, and restart the server in the middle (SIGTERM or Ctrl-C,
 * then the same command again): the pages come back by themselves, and no message is lost or doubled.
 *
 *   node examples/chat/server.mjs --port 8080 --history history.json --keep 100
 *   (then open http://127.0.0.1:8080/)
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { parseArgs } from "node:util";
import { createServer, UpgradeRejected } from "lastcall";
import { terminationSignals } from "lastcall/process";
import { servePage } from "./serve-page.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" }, // 0: any free one
    history: { type: "string" }, // a file that hands the history from one run to the next
    keep: { type: "string", default: "100" }, // messages in the history, up to the 1 000 that a page shows
  },
});

/**
 * What somebody has said, as everybody gets it. `id` is the page's, which waits for the answer to it; `key` is ours and
 * tells a page what it has already.
 *
 * @typedef {{ key: string, id: string, name: string, text: string, at: string }} Entry
 */

/** The same limits are in the page, which does not let its user run into them. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._'-]{0,23}$/u;
const MAX_TEXT = 2_000;
const MAX_ID = 64;

const keep = Math.min(Number(values.keep), 1_000);
const history = readHistory();

const alphabetically = new Intl.Collator("en", { numeric: true });

/** Who is here, by connection: the same name may be here twice. @type {Map<unknown, string>} */
const guests = new Map();

/**
 * A name is all that it takes. It is no proof of who somebody is: see examples/sign-in.mjs for that.
 *
 * @param {import("lastcall").RequestHead} request
 */
function authenticate(request) {
  const name = new URL(request.url, "ws://host").searchParams.get("name")?.trim() ?? "";
  if (!NAME.test(name))
    throw new UpgradeRejected(400, "A name has 1 to 24 letters, digits, spaces and . _ ' -");
  return name;
}

const server = createServer(
  {
    path: "/chat",
    authenticate,
    maxConnections: 1_000,
    // A message of MAX_TEXT characters, were each of them escaped.
    maxPayload: 16 * 1024,
    // The page keeps what has no answer and says it again to our successor. So we need not wait until it is quiet.
    drain: { quiet: 0 },
    onError: (error) => console.error(error),
  },
  async (connection) => {
    // Nothing is awaited before this: no message of somebody else comes between the history and those after it.
    connection.send(JSON.stringify({ type: "welcome", history }));
    guests.set(connection, connection.principal);
    tellWhoIsHere();
    try {
      // One message after the other, and an answer to each: that is what makes our 1012 a promise to the page.
      for await (const data of connection) {
        const said = parse(data);
        if (said === undefined) return connection.close(1008, "That is no message of this chat.");
        connection.send(JSON.stringify(answer(said, connection)));
      }
    } finally {
      guests.delete(connection);
      // In a restart everybody leaves, and comes back: that is no news.
      if (server.state === "listening") tellWhoIsHere();
    }
  },
);

/**
 * Takes what was said into the history and tells everybody else.
 *
 * @param {{ id: string, text: string }} said
 * @param {import("lastcall").Connection<string>} connection
 */
function answer({ id, text }, connection) {
  const problem = problemWith(text);
  if (problem !== undefined) return { type: "refused", id, problem };
  const entry = { key: randomUUID(), id, name: connection.principal, text, at: new Date().toISOString() };
  history.push(entry);
  if (history.length > keep) history.shift();
  server.broadcast(JSON.stringify({ type: "said", entry }), { where: (other) => other !== connection });
  return { type: "ack", id, entry };
}

/** @param {string} text */
function problemWith(text) {
  if (text.trim() === "") return "There is nothing in it.";
  if (text.length > MAX_TEXT) return `It is longer than ${MAX_TEXT} characters.`;
  return undefined;
}

/**
 * What a page says, or undefined when no page of ours says that.
 *
 * @param {string | Buffer} data
 */
function parse(data) {
  try {
    const { id, text } = JSON.parse(String(data));
    if (typeof id === "string" && id.length <= MAX_ID && typeof text === "string") return { id, text };
  } catch {
    // It is no JSON, or null.
  }
  return undefined;
}

function tellWhoIsHere() {
  const names = [...new Set(guests.values())].sort(alphabetically.compare);
  server.broadcast(JSON.stringify({ type: "here", names }));
}

/** @returns {Entry[]} */
function readHistory() {
  if (values.history === undefined || !existsSync(values.history)) return [];
  return JSON.parse(readFileSync(values.history, "utf8")).slice(-keep);
}

/** Behind the last handler, so it is complete. (After a crash it is that of the run before: this is no database.) */
function writeHistory() {
  if (values.history === undefined) return;
  writeFileSync(`${values.history}.new`, JSON.stringify(history));
  // In one step: a file that is half written would be no history at all.
  renameSync(`${values.history}.new`, values.history);
}

const signals = terminationSignals();
const http = createHttpServer(servePage);
const address = await server.listen(http.listen(Number(values.port), "127.0.0.1"));
const { port } = /** @type {import("node:net").AddressInfo} */ (address);
console.log(`Listening on http://127.0.0.1:${port}`);

const report = await server.run({ signals });
writeHistory();
console.log(String(report));

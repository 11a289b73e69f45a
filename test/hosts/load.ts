/** Clients of one port: WebSockets, requests on connections that are kept alive, and streams of events. */
import * as http from "node:http";
import * as https from "node:https";
import { text } from "node:stream/consumers";
import type { DrainReport } from "../../src/index.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";

/** What test/fixtures/host-server.mjs tells. */
export type ToldByHost =
  | { event: "listening"; port: number }
  | {
      event: "down";
      done: { plain: number; messages: number; events: number; streams: number };
      report: DrainReport;
      prose: string;
    };

/** How a client saw its part end: by the server that has gone, or by something else. */
export interface Requests {
  answered: number;
  /** The connection was refused, or somebody else has answered: this server has not heard of the request. */
  elsewhere: number;
  /** Codes of errors on a connection that was open, or statuses that are no answer. */
  failed: string[];
}

export interface EventStream {
  events: number;
  /** They came in order, then the line that says when to come back, then the end of the response. */
  isWhole: boolean;
}

/** What another server than ours answers with. */
export const ELSEWHERE = "elsewhere";

const PIPELINED = 3;
const LONGEST_PAUSE = 10;

/** Sends, and with each reply sends again, until the server says Close. */
export async function openPipelining(port: number, tls: boolean): Promise<RawClient> {
  const client = await openRaw(tls ? { port, tls } : port, { path: "/ws" });
  let sent = 0;
  const send = (): void => client.send(String(sent++));
  client.onEach("message", () => {
    if (client.close === undefined) send();
  });
  for (let count = 0; count < PIPELINED; count++) send();
  return client;
}

/** One request after the other, with pauses, until the server is gone. `ask` returns what was answered. */
export async function askAgain(ask: () => Promise<string>, requests: Requests): Promise<void> {
  for (;;) {
    const answer = await ask().catch(codeOf);
    if (answer === "ECONNREFUSED" || answer === ELSEWHERE) {
      requests.elsewhere++;
      return;
    }
    if (answer === "slow") requests.answered++;
    else requests.failed.push(answer);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * LONGEST_PAUSE));
  }
}

/** `fetch` puts what happened into the cause of its error. */
function codeOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { code, message } = cause as NodeJS.ErrnoException;
  return code ?? message;
}

/** Asks through Node's own agent, which keeps connections alive. */
export function askerOf(
  port: number,
  tls: boolean,
  connections: number,
  method = "GET",
): () => Promise<string> {
  const module = tls ? https : http;
  const agent = new module.Agent({ keepAlive: true, maxSockets: connections });
  const options = { agent, method, host: "127.0.0.1", port, path: "/slow", rejectUnauthorized: false };
  return () =>
    new Promise((resolve, reject) => {
      const request = module.request(options, (response) => {
        response.once("error", reject);
        resolve(response.statusCode === 200 ? text(response) : discarded(response));
      });
      request.once("error", reject).end();
    });
}

async function discarded(response: http.IncomingMessage): Promise<string> {
  await text(response);
  return String(response.statusCode);
}

/** Listens to a stream until it ends. `onEvent` is called at each event. */
export function streamFrom(port: number, tls: boolean, onEvent: () => void): Promise<EventStream> {
  const module = tls ? https : http;
  const options = { agent: false, host: "127.0.0.1", port, path: "/events", rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const request = module.get(options, (response) => {
      let read = "";
      response.setEncoding("utf8").on("data", (data: string) => {
        read += data;
        onEvent();
      });
      response.once("close", () => resolve(readEvents(read, response.complete)));
      response.once("error", () => {});
    });
    request.once("error", reject);
  });
}

function readEvents(read: string, isComplete: boolean): EventStream {
  const lines = read.split("\n\n").slice(0, -1);
  const events = lines.length - 1;
  const inOrder = lines.slice(0, -1).every((line, index) => line === `data: ${index + 1}`);
  return { events, isWhole: isComplete && inOrder && lines.at(-1) === "retry: 1000" };
}

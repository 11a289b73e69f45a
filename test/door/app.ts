/** The app on a host: it answers its requests as they say, and writes down what it has executed. */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { patternOf } from "../fixtures/door/pattern.mjs";
import { OTHER, type AnswerPlan } from "./requests.js";
import type { AppPlan } from "./world.js";

/** What became of a request that the app was given. */
export interface Executed {
  id: string;
  /** Which of Node's events brought it. */
  by: string;
  /** Whether all of the answer was given to Node; a tunnel: all of it. */
  answered: boolean;
  /** Whether Node said 'close' of the response, or of the tunnel's socket. */
  closed: boolean;
  /** Bytes of its body that were another's. */
  foreignBody: boolean;
}

const PIECES = 10;
const NO_MORE = "Connection: close\r\nContent-Length: 0\r\n\r\n";

export class App {
  readonly executed = new Map<string, Executed>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(host: HttpServer, { claims }: AppPlan) {
    host.on("request", this.#answerer("request"));
    for (const event of claims) {
      if (event === "connect") host.on("connect", this.#onConnect);
      else if (event === "upgrade") host.on("upgrade", this.#onUpgrade);
      else host.on(event, this.#answerer(event));
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #answerer(by: string) {
    return (request: IncomingMessage, response: ServerResponse): void => {
      const { id, plan } = askedBy(request);
      const executed = this.#begin(id, by);
      response.once("close", () => (executed.closed = true));
      const body: Buffer[] = [];
      request.on("data", (chunk: Buffer) => body.push(chunk));
      request.once("end", () => {
        const bytes = Buffer.concat(body);
        executed.foreignBody = !bytes.equals(patternOf(id, bytes.length));
        this.#answer(response, id, plan, executed);
      });
      if (by === "checkContinue") response.writeContinue();
    };
  }

  #begin(id: string, by: string): Executed {
    const executed = { id, by, answered: false, closed: false, foreignBody: false };
    this.executed.set(id, executed);
    return executed;
  }

  #answer(response: ServerResponse, id: string, { size, takes, how }: AnswerPlan, executed: Executed): void {
    response.setHeader("X-Id", id);
    if (how !== "chunked") response.setHeader("Content-Length", size);
    const bytes = patternOf(id, size);
    const end = (rest: Buffer): void => {
      response.end(rest);
      executed.answered = true;
    };
    if (how === "end") {
      this.#after(takes, () => end(bytes));
      return;
    }
    this.#inPieces(bytes, takes, (piece) => response.write(piece), end);
  }

  readonly #onConnect = (request: IncomingMessage, socket: Duplex): void => {
    this.#tunnel(request, socket, "connect", "HTTP/1.1 200 OK\r\n");
  };

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex): void => {
    if (request.url !== OTHER) {
      // Somebody has to: Node knows no time-out for it. Of a path of ours the socket looks dead to others.
      socket.on("error", () => {});
      socket.resume();
      if (socket.writable) socket.end(`HTTP/1.1 404 Not Found\r\n${idLine(request)}${NO_MORE}`);
      return;
    }
    const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    this.#tunnel(request, socket, "upgrade", head);
  };

  #tunnel(request: IncomingMessage, socket: Duplex, by: string, head: string): void {
    const { id, plan } = askedBy(request);
    const executed = this.#begin(id, by);
    socket.on("error", () => {});
    socket.once("close", () => (executed.closed = true));
    // Its FIN is read, so that the socket can close.
    socket.resume();
    socket.write(`${head}${idLine(request)}\r\n`);
    const end = (rest: Buffer): void => {
      socket.end(rest);
      executed.answered = true;
    };
    this.#inPieces(patternOf(id, plan.size), plan.takes, (piece) => socket.write(piece), end);
  }

  #inPieces(bytes: Buffer, takes: number, write: (piece: Buffer) => void, end: (rest: Buffer) => void): void {
    const length = Math.ceil(bytes.length / PIECES);
    let at = 0;
    const next = (): void => {
      const piece = bytes.subarray(at, at + length);
      at += length;
      if (at >= bytes.length) return end(piece);
      write(piece);
      this.#after(takes / PIECES, next);
    };
    next();
  }

  #after(wait: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, wait);
    this.#timers.add(timer);
  }
}

function idLine({ headers }: IncomingMessage): string {
  return `X-Id: ${String(headers["x-id"])}\r\n`;
}

function askedBy({ headers }: IncomingMessage): { id: string; plan: AnswerPlan } {
  return { id: String(headers["x-id"]), plan: JSON.parse(String(headers["x-plan"])) as AnswerPlan };
}

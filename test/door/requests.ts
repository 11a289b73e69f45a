/** What clients ask for, as bytes: heads, bodies and frames, and how they are cut into segments. */
import type { Random } from "../wire/random.js";
import type { Exchange, Segment } from "./script.js";

/** How the app answers: it reads it in the request, so that it need not know its clients. */
export interface AnswerPlan {
  size: number;
  /** Milliseconds until it is over. */
  takes: number;
  /** At once when the time is over; or in pieces from the start on, with a length or without. */
  how: "end" | "pieces" | "chunked";
}

/** A request of some kind, and the body that it brings. */
export interface RequestPlan extends AnswerPlan {
  what: "get" | "post" | "continue" | "expectation" | "connect" | "other stack" | "upgrade";
  path: string;
  /** Bytes of the body of a `post`, `continue` or `expectation`. */
  body: number;
  chunkedBody: boolean;
  messages: number;
  messageSize: number;
  closes: boolean;
}

export const get: RequestPlan = {
  what: "get",
  path: "/",
  size: 100,
  takes: 0,
  how: "end",
  body: 0,
  chunkedBody: false,
  messages: 0,
  messageSize: 20,
  closes: true,
};

/** Another upgrade stack's path. */
export const OTHER = "/other";

/** Bytes that are written in one go, or cut into segments, and what ends where in them. */
export class Flight {
  text = "";
  readonly #ends: { id: string; at: number }[] = [];

  add(text: string, id: string): this {
    this.text += text;
    this.#ends.push({ id, at: this.text.length });
    return this;
  }

  /** One segment, or as many as there are cuts, with some time between. */
  segments(awaits: number, after: number, cuts: readonly { at: number; wait: number }[] = []): Segment[] {
    const sorted = cuts.filter(({ at }) => at > 0 && at < this.text.length).sort((a, b) => a.at - b.at);
    const begins = [{ at: 0, wait: after }, ...sorted];
    return begins.map(({ at, wait }, index) => {
      const end = begins[index + 1]?.at ?? this.text.length;
      const completes = this.#ends.filter((one) => one.at > at && one.at <= end).map(({ id }) => id);
      return { awaits, after: wait, data: this.text.slice(at, end), completes };
    });
  }
}

/** Up to five cuts of a flight, some of them within a few bytes of its begin or end. */
export function randomCuts(random: Random, length: number): { at: number; wait: number }[] {
  return Array.from({ length: random.below(6) }, () => ({
    at: random.chance(30) ? length - random.below(20) : random.below(length),
    wait: random.pick([0, 0, 1, 5, 20, 60]),
  }));
}

function patternOf(id: string, size: number): string {
  return `${id}|`.repeat(Math.ceil(size / (id.length + 1))).slice(0, size);
}

function messageOf(exchange: string, index: number, size: number): string {
  return patternOf(`${exchange}#${index}`, size);
}

/** The exchange of a request, as its client has to know it. */
export function exchangeOf(id: string, plan: RequestPlan): Exchange {
  const kinds = { connect: "tunnel", "other stack": "tunnel", upgrade: "upgrade" } as Record<
    string,
    Exchange["kind"]
  >;
  return {
    id,
    kind: kinds[plan.what] ?? "plain",
    size: plan.size,
    messages: Array.from({ length: plan.messages }, (_, index) => messageOf(id, index, plan.messageSize)),
    closes: plan.closes,
    ...(plan.what === "upgrade" ? { path: plan.path } : {}),
  };
}

/** Adds a request to a flight, with its body and its messages behind it. */
export function addRequest(flight: Flight, id: string, plan: RequestPlan): void {
  const { size, takes, how } = plan;
  const marks = `X-Id: ${id}\r\nX-Plan: ${JSON.stringify({ size, takes, how })}\r\n`;
  switch (plan.what) {
    case "get":
      flight.add(`GET ${plan.path} HTTP/1.1\r\nHost: x\r\n${marks}\r\n`, id);
      return;
    case "post":
    case "continue":
    case "expectation": {
      const expect = { post: "", continue: "Expect: 100-continue\r\n", expectation: "Expect: tea\r\n" }[
        plan.what
      ];
      const { framing, body } = bodyOf(id, plan);
      flight.add(`POST ${plan.path} HTTP/1.1\r\nHost: x\r\n${marks}${expect}${framing}\r\n${body}`, id);
      return;
    }
    case "connect":
      flight.add(`CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n${marks}\r\n`, id);
      return;
    case "other stack":
    case "upgrade":
      flight.add(
        `GET ${plan.path} HTTP/1.1\r\nHost: x\r\n${marks}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
          "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        id,
      );
      addMessages(flight, id, plan, 0);
  }
}

/** Adds the messages of a WebSocket, from one of them on. */
export function addMessages(flight: Flight, id: string, plan: RequestPlan, from: number): void {
  for (let index = from; index < plan.messages; index++) {
    flight.add(textFrame(messageOf(id, index, plan.messageSize)), `${id}#${index}`);
  }
}

function bodyOf(id: string, { body, chunkedBody }: RequestPlan): { framing: string; body: string } {
  const pattern = patternOf(id, body);
  if (!chunkedBody) return { framing: `Content-Length: ${body}\r\n`, body: pattern };
  const chunks = pattern.match(/.{1,997}/g) ?? [];
  const coded = [...chunks, ""].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  return { framing: "Transfer-Encoding: chunked\r\n", body: coded.join("") };
}

/** A frame whose mask is zero: its bytes stay what they are. */
function textFrame(text: string): string {
  const { length } = text;
  const size = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 0xff];
  return String.fromCharCode(0x81, ...size, 0, 0, 0, 0) + text;
}

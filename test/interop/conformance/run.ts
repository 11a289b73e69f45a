/** Plays a case against a real server over a real socket. */
import { createHash, randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { Connection } from "../../../src/index.js";
import { openRaw, type RawClient } from "../../tools/raw-client.js";
import { serve } from "../../tools/serve.js";
import { rawFrame, type RawFrame } from "../../wire/raw-frame.js";
import {
  PLEASE_CLOSE,
  type Answer,
  type CaseFrame,
  type ConformanceCase,
  type End,
  type Step,
} from "./case.js";

const CONTINUATION = 0;

async function echo(connection: Connection): Promise<void> {
  for await (const message of connection) {
    if (message === PLEASE_CLOSE) connection.close(4000, "as you asked");
    else connection.send(message);
  }
}

export async function run(conformanceCase: ConformanceCase): Promise<void> {
  const { send, answers, end, options = {}, compression } = conformanceCase;
  const { port, errors } = await serve(echo, { ...options, compression: compression !== undefined });
  const client = await openRaw(port, { extensions: compression?.offer ?? "" });
  expect(client.response!.headers["sec-websocket-extensions"]).toBe(compression?.agreed);
  // Each piece is to be a packet of its own.
  client.socket.setNoDelay(true);
  for (const step of send) await play(client, step);
  if (end.by === "client") {
    await answered(client, countAll(answers));
    client.sendClose(1000);
  }
  // An answer too many is red at once, instead of waiting for an end that may never come.
  await client.until(() => client.gone || answerCount(client) > countAll(answers));
  client.destroy();

  expect(differing(answersOf(client), answers)).toEqual({ surplus: [], missing: [] });
  expectEnd(client, end);
  expect(errors).toEqual([]);
}

async function play(client: RawClient, step: Step): Promise<void> {
  if ("await" in step) {
    await answered(client, step.await);
  } else if ("compressed" in step) {
    const before = answerCount(client);
    for (const [index, message] of step.compressed.entries()) {
      client.sendCompressed(message, step.fragment);
      await answered(client, before + index + 1);
    }
  } else if ("roundTrips" in step) {
    const before = answerCount(client);
    for (let sent = 1; sent <= step.roundTrips; sent++) {
      client.write(encode(step.frame)[0]!);
      await answered(client, before + sent);
    }
  } else {
    const frames = step.frames.flatMap(encode);
    if (step.chop === undefined) client.write(Buffer.concat(frames));
    else await writeChopped(client, step.chop === "frames" ? frames : chop(Buffer.concat(frames), step.chop));
  }
}

/** The bytes of each frame. */
function encode({ fragment, ...frame }: CaseFrame): Buffer[] {
  // A mask of its own for each frame, unless the case is about masks.
  const mask = [...randomBytes(4)];
  if (fragment === undefined) return [rawFrame({ mask, ...frame })];
  const payload = Buffer.from(frame.payload!);
  return Array.from({ length: Math.ceil(payload.length / fragment) }, (_, index) => {
    const part: RawFrame = {
      opcode: index === 0 ? frame.opcode : CONTINUATION,
      payload: payload.subarray(index * fragment, (index + 1) * fragment),
      final: (index + 1) * fragment >= payload.length,
      mask,
    };
    return rawFrame(part);
  });
}

function chop(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  );
}

/** Between two pieces lies a turn of the event loop, in which the server reads the first one. */
async function writeChopped(client: RawClient, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    client.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function answerCount(client: RawClient): number {
  return client.messages.length + client.pongs.length;
}

function countAll(answers: readonly Answer[]): number {
  return answers.reduce((sum, { times = 1 }) => sum + times, 0);
}

/** Waits for answers; when the connection ends before that, the comparison says what is missing. */
async function answered(client: RawClient, count: number): Promise<void> {
  await client.until(() => answerCount(client) >= count || client.close !== undefined || client.gone);
}

/** What came, in order, each as a short line that tells it from any other. A Ping that nobody expects is a fault. */
function answersOf(client: RawClient): string[] {
  const messages = client.messages.values();
  const pongs = client.pongs.values();
  return client.log
    .filter((kind) => kind !== "close")
    .map((kind) => {
      if (kind === "ping") return "Ping";
      if (kind === "pong") return summary("Pong", pongs.next().value!);
      const message = messages.next().value!;
      return summary(typeof message === "string" ? "text" : "binary", message);
    });
}

function summary(kind: string, content: string | Uint8Array): string {
  const bytes = Buffer.from(content);
  const shown = bytes.length <= 32 ? bytes.toString("hex") : createHash("sha256").update(bytes).digest("hex");
  return `${kind} ${bytes.length} ${shown}`;
}

function summaryOf(answer: Answer): string {
  if ("text" in answer) return summary("text", answer.text);
  if ("binary" in answer) return summary("binary", answer.binary);
  return summary("Pong", answer.pong);
}

/** Walks both lists in order. */
function differing(
  actual: readonly string[],
  expected: readonly Answer[],
): { surplus: string[]; missing: string[] } {
  const missing: string[] = [];
  let position = 0;
  for (const answer of expected) {
    const wanted = summaryOf(answer);
    for (let time = 0; time < (answer.times ?? 1); time++) {
      if (actual[position] === wanted) position++;
      else missing.push(wanted);
    }
  }
  return { surplus: actual.slice(position), missing };
}

function expectEnd(client: RawClient, end: End): void {
  // The decoder of the client shows a Close without a code as 1005.
  const code = end.by === "client" ? 1000 : (end.code ?? 1005);
  expect(client.close?.code).toBe(code);
  if (end.by === "failure") expect(client.close?.reason).toMatch(/^an? |^close code /);
  expect(client.log.indexOf("close")).toBe(client.log.length - 1);
  expect(client.violation).toBeUndefined();
  expect(client.ended).toBe("FIN");
}

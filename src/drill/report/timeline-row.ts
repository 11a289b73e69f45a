/** A row of a timeline: a connection's life, what happened to it, and its requests. */
import type { RunResult } from "../result.js";
import type { Axis } from "./axis.js";
import { markup, type Markup, shortened } from "./markup.js";
import { mark } from "./marks.js";
import type { PlacedRequest, Row } from "./rows.js";
import { describeConnection, describeRequest, endOf, isAnswered, moment } from "./words.js";

/** Where things lie, in pixels. */
export interface Frame {
  /** Where the column of names ends. */
  names: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
  /** From one lane of a row to the next. */
  pitch: number;
  axis: Axis;
  /** Where a time of the run lies. */
  x: (time: number) => number;
}

/** One decimal is a tenth of a pixel: enough, and it keeps the file small. */
export function pixels(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function nameOf({ connection: { number, role } }: Row): string {
  return role === "profile" ? String(number) : `${role} ${number}`;
}

export function drawRow(row: Row, run: RunResult, frame: Frame, y: number, height: number): Markup {
  const middle = y + height / 2;
  const first = middle - ((row.lanes - 1) * frame.pitch) / 2;
  const requests = row.requests.map((placed) =>
    drawRequest(placed, run, frame, first + placed.lane * frame.pitch),
  );
  return markup`<g class="row">${drawLife(row, run, frame, y, height)}${requests}${drawEvents(row, run, frame, y, height)}</g>\n`;
}

/** Its name and its end at the sides, a band for as long as it was a WebSocket, and a line while it waited to be accepted. */
function drawLife(row: Row, run: RunResult, frame: Frame, y: number, height: number): Markup {
  const { connection } = row;
  const { names, left, right, x } = frame;
  const { requests, openedAt } = connection;
  const textY = pixels(y + height / 2 + 4);
  const tone = row.isTroubled ? "wrong" : "plain";
  const answered = requests.length === 0 ? "" : `${requests.filter(isAnswered).length}/${requests.length}`;
  const from = openedAt === undefined ? 0 : x(openedAt);
  const band =
    openedAt === undefined
      ? undefined
      : markup`<rect class="life" x="${pixels(from)}" y="${pixels(y + 2)}" width="${pixels(Math.max(1, x(connection.endedAt ?? run.endedAt) - from))}" height="${pixels(height - 4)}"/>`;
  return markup`<g><title>${describeConnection(connection, run)}</title>${drawWait(row, run, frame, y + height / 2)}${band}<text class="end ${tone}" x="${pixels(names)}" y="${textY}">${nameOf(row)}</text><text class="end ${tone}" x="${left - 10}" y="${textY}">${answered}</text><text class="${tone}" x="${right + 14}" y="${textY}">${endOf(connection)}</text></g>`;
}

function drawWait({ connection }: Row, run: RunResult, { x }: Frame, y: number): Markup | undefined {
  const { waited, connectedAt, openedAt, endedAt } = connection;
  if (!waited || connectedAt === undefined) return undefined;
  return markup`<path class="wait" d="M${pixels(x(connectedAt))} ${pixels(y)}H${pixels(x(openedAt ?? endedAt ?? run.endedAt))}"/>`;
}

function drawRequest({ request, until }: PlacedRequest, run: RunResult, frame: Frame, y: number): Markup {
  const hasReply = isAnswered(request);
  const from = pixels(frame.x(request.sentAt));
  const at = pixels(y);
  const tone = request.failed ? "bad" : hasReply ? "good" : "calm";
  const shape = request.failed ? "failed" : hasReply ? "answered" : "told";
  const end = pixels(frame.x(until));
  // Without a reply the shape lies where its connection ended: until then a reply could have come.
  const places = hasReply ? request.replies.map((reply) => pixels(frame.x(reply))) : [end];
  // What ends at the same time lies on itself when lanes are few: where each began is seen all the same.
  const begin = hasReply ? undefined : mark("sent", from, at);
  return markup`<g class="${tone}"><title>${describeRequest(request, run, until)}</title><path d="M${from} ${at}H${end}"/>${begin}${places.map((x) => mark(shape, x, at))}</g>`;
}

/** What the server did lies at the top of the row, what the client did at its foot, what opened or ended it in the middle. */
function drawEvents({ connection }: Row, run: RunResult, frame: Frame, y: number, height: number): Markup[] {
  const { close } = connection;
  const top = y + 6;
  const middle = y + height / 2;
  const foot = y + height - 6;
  const reason = close === undefined || close.reason === "" ? "" : ` “${close.reason}”`;
  const events = [
    ["open", connection.openedAt, middle, "WebSocket open"],
    ["fin", connection.finAt, middle, "FIN from the server"],
    ["fin", connection.finSentAt, foot, "FIN from the client"],
    ["close", close?.at, top, `Close ${close?.code}${reason} from the server`],
    ["close-sent", connection.closeSentAt, foot, "Close from the client"],
    ["reset", connection.resetAt, middle, "Reset by the server"],
    ["refused", refusedAt(connection, run), middle, `Refused: ${connection.refused}`],
  ] as const;
  return events.flatMap(([shape, time, markY, text]) =>
    time === undefined
      ? []
      : [
          markup`<g><title>${shortened(text, 200)}, ${moment(time, run)}</title>${mark(shape, pixels(frame.x(time)), pixels(markY))}</g>`,
        ],
  );
}

function refusedAt(connection: Row["connection"], run: RunResult): number | undefined {
  if (connection.refused === undefined) return undefined;
  return connection.endedAt ?? connection.finAt ?? connection.connectedAt ?? run.signalAt;
}

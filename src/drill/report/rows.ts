/** Which connections and requests of a run are drawn, and where: the troubled ones first. */
import type { ConnectionResult, RequestResult, RunResult } from "../result.js";
import { isAnswered } from "./words.js";

/** A request in its row. */
export interface PlacedRequest {
  request: RequestResult;
  /** Counted from 0: requests that wait at the same time lie below each other. */
  lane: number;
  /** When its last reply came; without one, when its connection was over. */
  until: number;
}

/** A connection that is drawn. */
export interface Row {
  connection: ConnectionResult;
  /** Whether it is what fails the run. */
  isTroubled: boolean;
  requests: PlacedRequest[];
  lanes: number;
}

export interface Rows {
  rows: Row[];
  /** Requests of these rows that are not drawn. */
  requestsLeftOut: number;
}

/** More shapes than this on one timeline tell nothing more, and make a file that no browser likes. */
const MAX_REQUESTS = 800;

export function chooseRows(run: RunResult, maxRows: number): Rows {
  const chosen = run.connections
    .map((connection) => ({ connection, trouble: troubleOf(connection, run) }))
    .sort((one, other) => other.trouble - one.trouble || one.connection.number - other.connection.number)
    .slice(0, maxRows);
  const requestsPerRow = Math.max(10, Math.floor(MAX_REQUESTS / Math.max(1, chosen.length)));
  const maxLanes = chosen.length <= 8 ? 12 : chosen.length <= 20 ? 6 : 4;
  let requestsLeftOut = 0;
  const rows = chosen.map(({ connection, trouble }) => {
    const requests = chooseRequests(connection.requests, run, requestsPerRow);
    requestsLeftOut += connection.requests.length - requests.length;
    return { connection, isTroubled: trouble >= FAILS, ...place(requests, connection, run, maxLanes) };
  });
  return { rows, requestsLeftOut };
}

const FAILS = 3;

/** How much it deserves to be looked at. */
function troubleOf(connection: ConnectionResult, { failures }: RunResult): number {
  const { refused, violation, requests } = connection;
  // An interrupted run leaves everything open, which says nothing of the server.
  const isLeftOpen = refused === undefined && connection.endedAt === undefined && failures.length > 0;
  if (connection.refusalFailed || violation !== undefined || isLeftOpen) return FAILS;
  if (requests.some(({ failed }) => failed)) return FAILS;
  if (refused !== undefined || connection.resetAt !== undefined) return 2;
  return requests.some((request) => !isAnswered(request)) ? 1 : 0;
}

function interest(request: RequestResult): number {
  if (request.failed) return 2;
  return isAnswered(request) ? 0 : 1;
}

/** What failed, then what had no reply, then what was nearest to the signal; in the order in which it was sent. */
function chooseRequests(requests: readonly RequestResult[], run: RunResult, most: number): RequestResult[] {
  const distance = ({ sentAt }: RequestResult): number => Math.abs(sentAt - (run.signalAt ?? 0));
  return [...requests]
    .sort((one, other) => interest(other) - interest(one) || distance(one) - distance(other))
    .slice(0, most)
    .sort((one, other) => one.sentAt - other.sentAt || one.n - other.n);
}

function place(
  requests: readonly RequestResult[],
  connection: ConnectionResult,
  run: RunResult,
  maxLanes: number,
): Pick<Row, "requests" | "lanes"> {
  const end = connection.endedAt ?? run.endedAt;
  /** Until when each lane is taken. */
  const taken: number[] = [];
  const placed = requests.map((request) => {
    const until = request.replies.at(-1) ?? Math.max(end, request.sentAt);
    const lane = laneFor(request.sentAt, taken, maxLanes);
    taken[lane] = Math.max(taken[lane] ?? until, until);
    return { request, lane, until };
  });
  return { requests: placed, lanes: Math.max(1, taken.length) };
}

/** The first that is free; when all are taken, the one that is free soonest. */
function laneFor(from: number, taken: readonly number[], maxLanes: number): number {
  const free = taken.findIndex((until) => until < from);
  if (free !== -1) return free;
  if (taken.length < maxLanes) return taken.length;
  let soonest = 0;
  for (const [lane, until] of taken.entries()) if (until < (taken[soonest] ?? Infinity)) soonest = lane;
  return soonest;
}

/** Every time that is drawn. */
export function timesOf(rows: readonly Row[], run: RunResult): number[] {
  const times = rows.flatMap(({ connection, requests }) => [
    connection.connectedAt,
    connection.openedAt,
    connection.close?.at,
    connection.closeSentAt,
    connection.finSentAt,
    connection.finAt,
    connection.resetAt,
    connection.endedAt ?? (connection.openedAt === undefined ? undefined : run.endedAt),
    ...requests.flatMap(({ request, until }) => [request.sentAt, ...request.replies, until]),
  ]);
  const killedAt = run.process.killed ? run.endedAt : undefined;
  return [...times, run.signalAt, run.process.exitedAt, killedAt].filter((time) => time !== undefined);
}

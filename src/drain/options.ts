/** How a server goes down: the options of a drain, their defaults, and how their times fit into one another. */

/** Times are in milliseconds. `Infinity` is allowed for `quiet`, `patience`, `lastCall` and `pace` only. */
export interface DrainOptions {
  /** When everything is forced, counted from the call of `shutdown()`, lame duck included. Default 25 000. */
  deadline: number;
  /** When queued messages are handed back instead of started, from the call. Default: 80 % of `deadline`. */
  lastCall: number;
  /**
   * How long a connection that is never quiet is served before the cut, from its own start, or from when our compressor
   * is done with what stands before its Ping. Default 5 000.
   */
  patience: number;
  /**
   * How long a connection must be quiet before the cut; never under twice the shortest round trip that was measured.
   * 0: the cut comes as soon as the connection is quiet. Default 100.
   */
  quiet: number;
  /**
   * How long a Pong may take that proves the barrier, in time that we read, from when what stands before its Ping is with
   * the kernel; while that is not, how long it may stand still. And how long a peer that owes another Pong or has something
   * to read may show nothing before it is cut. Default 2 000.
   */
  barrierTimeout: number;
  /** How long handshakes on accepted sockets may take once the door is closed, at most until last call. Default 1 000. */
  handshakeGrace: number;
  /** How long a peer that should read or answer Close may show no progress. Default 3 000. */
  closeTimeout: number;
  /** How long the peer's FIN is awaited after both Close frames. Default 1 000. */
  lingerTimeout: number;
  /** How long accepting goes on after the call, with readiness already false. It must end before `lastCall`. Default 0. */
  lameDuck: number;
  /** Connections that begin to drain per second, at most, as long as the deadline allows. Default 5 000. */
  pace: number;
  /**
   * Over how long the connections begin to drain, at random moments: the pace follows from their number. It must be over
   * by `lastCall`, with `lameDuck` before it. Default 0: as `pace` says.
   */
  spread: number;
  /** Close code of the drain. Default 1012, service restart. */
  code: number;
  /** Close reason of the drain, up to 123 bytes of UTF-8. Default "service restart". */
  reason: string;
}

/** Options of a drain that are about one connection. */
export type ConnectionDrainOptions = Omit<DrainOptions, "handshakeGrace" | "lameDuck" | "pace" | "spread">;

/** Last call comes after this part of the deadline, unless it is given. */
export const LAST_CALL_SHARE = 0.8;

/**
 * A lame duck whose last call comes nearer lasts for this part of the time to it: who comes in last has as long to be
 * served as it took.
 */
export const LAME_DUCK_SHARE = 0.5;

/** The defaults of `DrainOptions`. */
export const drainDefaults: Readonly<DrainOptions> = Object.freeze({
  deadline: 25_000,
  lastCall: LAST_CALL_SHARE * 25_000,
  patience: 5_000,
  quiet: 100,
  barrierTimeout: 2_000,
  handshakeGrace: 1_000,
  closeTimeout: 3_000,
  lingerTimeout: 1_000,
  lameDuck: 0,
  pace: 5_000,
  spread: 0,
  code: 1012,
  reason: "service restart",
});

/** Lays given options over others. A `lastCall` that is not given follows the deadline. */
export function layDrainOptions(given: Partial<DrainOptions>, under: Readonly<DrainOptions>): DrainOptions {
  const options = { ...under, ...given };
  if (given.lastCall === undefined && given.deadline !== undefined) {
    options.lastCall = LAST_CALL_SHARE * given.deadline;
  }
  return clamped(options);
}

/**
 * Lays the options of a call over those that a server was given. A deadline that the call brings nearer brings nearer
 * what hangs on it, unless the call says otherwise: the last call, if there is one, and with that the end of the lame duck.
 */
export function layCallOptions(given: Partial<DrainOptions>, ofServer: Partial<DrainOptions>): DrainOptions {
  const before = layDrainOptions(ofServer, drainDefaults);
  const options = layDrainOptions({ ...ofServer, ...given }, drainDefaults);
  const isNearer = options.deadline < before.deadline;
  if (given.lastCall === undefined && isNearer && before.lastCall < before.deadline) {
    options.lastCall = Math.min(options.lastCall, LAST_CALL_SHARE * options.deadline);
  }
  if (given.lameDuck === undefined && options.lastCall < before.lastCall) {
    options.lameDuck = Math.min(options.lameDuck, LAME_DUCK_SHARE * options.lastCall);
  }
  return clamped(options);
}

/** What reaches past what ends it means "until then". */
function clamped(options: DrainOptions): DrainOptions {
  const lastCall = Math.min(options.lastCall, options.deadline);
  const patience = options.patience === Infinity ? Infinity : Math.min(options.patience, lastCall);
  const handshakeGrace = Math.min(options.handshakeGrace, options.deadline);
  return { ...options, lastCall, patience, handshakeGrace };
}

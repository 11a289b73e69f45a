/**
 * Counts the function calls of one warm run of an action, and how often they go from one file to another.
 *
 * A call is an entry into a function of the traced files: getters, constructors, callbacks and arrow functions too,
 * whoever calls. An async function that runs on behind an `await` is not called again; and what V8 makes of a class by
 * itself, a constructor that nobody wrote and the function that sets its fields, is no function of the source.
 *
 * A crossing is a call into another file than that of the call before it, in the order of the run: how often somebody
 * who reads along turns to another file. So a call from one file into another is one, and so is what is called next
 * after the way back. What is not traced (Node's code, the app's) is passed over: it is no file to turn to.
 *
 * Every place at which V8 can stop in a function gets a breakpoint, with a condition that notes the place and is false.
 * So the code that runs is the code as it is, and nothing stops: a stop takes a millisecond, and a shutdown in which a
 * Pong takes a hundred is another one. All places and not only the first, since that may lie in a loop, or in a default
 * that is not needed. V8's own counts of the same run tell when a call was missed.
 */
import { setFlagsFromString } from "node:v8";
import { Inspected } from "./inspected.mjs";
import { Recorder } from "./recorder.mjs";

/** @typedef {import("./inspected.mjs").Place} Place */
/** @typedef {import("./inspected.mjs").Traced} Traced */
/** @typedef {import("./recorder.mjs").Call} Call */

/**
 * What is traced is `act`; the others are run before and after it, each time.
 *
 * @template State
 * @typedef {object} Action
 * @property {() => State | Promise<State>} prepare
 * @property {(state: State) => unknown} act
 * @property {(state: State) => unknown} settle
 */

/**
 * @typedef {object} Trace
 * @property {string[]} run The functions that were called, in order.
 * @property {number} calls
 * @property {number} crossings
 * @property {number} files In how many files a function was called.
 * @property {number} across Calls whose caller is in another of the traced files: the crossings without the ways back.
 * @property {Edge[]} edges The crossings, alike ones together, in the order of the run.
 * @property {string[]} doubts Functions that V8 has counted otherwise: the figures are wrong.
 */

/**
 * One way to cross: from the function that was called last to the one that is called next.
 *
 * @typedef {object} Edge
 * @property {string} from
 * @property {string} to
 * @property {string | undefined} caller Who has called; undefined when that is not traced.
 * @property {number} times
 */

// Code that V8's first compiler has made before keeps running without breakpoints in new closures, from Node 24 on.
setFlagsFromString("--no-sparkplug");

/** Runs before the one that counts: what only the first one does is not the price of an action. */
const WARM_RUNS = 3;

/** What the breakpoints call. */
const HOOK = "__noteWhereTheRunIs";

/**
 * Traces an action of this process. One at a time.
 *
 * @template State
 * @param {URL} directory Where the traced files are; ends in "/". They are loaded by now.
 * @param {Action<State>} action
 * @param {(file: string) => string} [title] What a file is called in the result; gets its path in the directory.
 * @returns {Promise<Trace>}
 */
export async function trace(directory, { prepare, act, settle }, title = (file) => file) {
  const inspected = new Inspected(directory, title);
  await inspected.begin();
  try {
    for (let run = 0; run < WARM_RUNS; run++) {
      const state = await prepare();
      await act(state);
      await settle(state);
    }

    let state = await prepare();
    await inspected.takeCounts();
    await act(state);
    const running = await inspected.takeCounts();
    await settle(state);

    state = await prepare();
    const places = await inspected.watch(running, HOOK);
    const recorder = new Recorder(inspected.scripts);
    await inspected.takeCounts();
    Object.assign(globalThis, {
      [HOOK]: (/** @type {number} */ place) => recorder.note(/** @type {Place} */ (places[place])),
    });
    await act(state);
    Object.assign(globalThis, { [HOOK]: () => {} });
    const counts = await inspected.takeCounts();
    await inspected.unwatch();
    await settle(state);

    return { ...summary(recorder.calls), doubts: doubts(recorder.calls, counts) };
  } finally {
    inspected.end();
    Reflect.deleteProperty(globalThis, HOOK);
  }
}

/** @param {readonly Call[]} calls */
function summary(calls) {
  /** @type {Map<string, Edge>} */
  const edges = new Map();
  for (const [index, { traced, caller }] of calls.entries()) {
    const before = calls[index - 1]?.traced;
    if (before === undefined || before.file === traced.file) continue;
    const edge = { from: nameOf(before), to: nameOf(traced), caller: caller && nameOf(caller), times: 0 };
    const key = JSON.stringify(edge);
    if (!edges.has(key)) edges.set(key, edge);
    /** @type {Edge} */ (edges.get(key)).times++;
  }
  return {
    run: calls.map(({ traced }) => nameOf(traced)),
    calls: calls.length,
    crossings: [...edges.values()].reduce((sum, { times }) => sum + times, 0),
    files: new Set(calls.map(({ traced }) => traced.file)).size,
    across: calls.filter(({ traced, caller }) => caller !== undefined && caller.file !== traced.file).length,
    edges: [...edges.values()],
  };
}

/** @param {{ file: string, name: string }} traced */
function nameOf({ file, name }) {
  return `${file}:${name}`;
}

/**
 * @param {readonly Call[]} calls
 * @param {ReadonlyMap<Traced, number>} counts
 */
function doubts(calls, counts) {
  /** @type {Map<Traced, number>} */
  const noted = new Map();
  for (const { traced } of calls) noted.set(traced, (noted.get(traced) ?? 0) + 1);
  return [...new Set([...noted.keys(), ...counts.keys()])].flatMap((traced) => {
    const [called, counted] = [noted.get(traced) ?? 0, counts.get(traced) ?? 0];
    // V8 counts it as well when an async function runs on.
    if (traced.isAsync ? called <= counted : called === counted) return [];
    return [`${nameOf(traced)} was seen to be called ${called} times, and V8 has counted ${counted}.`];
  });
}

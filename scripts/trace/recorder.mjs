/** Makes calls of the places that the run comes to: many in one call of a function, and in a loop again and again. */
import { fileURLToPath } from "node:url";
import { innermost } from "./inspected.mjs";

/** @typedef {import("./inspected.mjs").Script} Script */
/** @typedef {import("./inspected.mjs").Traced} Traced */
/** @typedef {import("./inspected.mjs").Place} Place */

/**
 * @typedef {object} Call
 * @property {Traced} traced
 * @property {{ file: string, name: string } | undefined} caller Undefined when that is in none of the traced files.
 */

/**
 * A function that was entered and not left, as far as is known.
 *
 * @typedef {object} Activation
 * @property {Traced} traced
 * @property {number} depth How many functions are below it on the stack.
 * @property {number | undefined} calledAt Where in the function that has called it.
 * @property {Place | undefined} begunAt
 */

/** From here Node lets run on what has awaited. */
const TASK_QUEUES = "node:internal/process/task_queues";

export class Recorder {
  /** In the order of the run. @type {Call[]} */
  calls = [];
  /** By both names that a file may have on a stack. @type {Map<string, Script>} */
  #scripts = new Map();
  /** The innermost last. @type {Activation[]} */
  #open = [];
  /** Async functions that were left without having returned: at an `await`, unless they threw. @type {Traced[]} */
  #suspended = [];

  /** @param {Iterable<Script>} scripts */
  constructor(scripts) {
    for (const script of scripts) {
      this.#scripts.set(script.url, script);
      this.#scripts.set(fileURLToPath(script.url), script);
    }
  }

  /** The run has come to this place. @param {Place} place */
  note(place) {
    const sites = callSites();
    // On top are functions of the tracer, and the condition that has called them.
    const stack = sites.slice(sites.findIndex((site) => this.#scriptOf(site)?.file === place.traced.file));
    for (const [index, site] of [...stack.entries()].slice(1).reverse()) {
      if (site.isConstructor()) this.#seeConstructor(stack.slice(index));
    }
    this.#see(place.traced, stack, place);
    if (place.isReturn) this.#open.pop();
  }

  /**
   * It comes to its first place when its fields are set and the parent's constructor is done, and those may call too.
   *
   * @param {readonly NodeJS.CallSite[]} stack
   */
  #seeConstructor(stack) {
    if (this.#open.some(({ depth }) => depth === stack.length - 1)) return;
    const traced = this.#functionAt(stack[0]);
    // One that nobody wrote has no place, and seems to be in the function around its class.
    if (traced !== undefined && traced.name === stack[0]?.getFunctionName()) this.#see(traced, stack);
  }

  /**
   * A function was seen to run.
   *
   * @param {Traced} traced
   * @param {readonly NodeJS.CallSite[]} stack The function, and what is below it.
   * @param {Place} [place]
   */
  #see(traced, [, below, ...others], place) {
    const depth = below === undefined ? 0 : 1 + others.length;
    const calledAt = below?.getPosition();
    const caller = this.#callerIn(below);
    this.#leave((each) => each.depth > depth);
    const last = this.#open.at(-1);
    if (last?.depth === depth && last.traced === traced && last.calledAt === calledAt) {
      // Where it began it is again by a loop, or because it was called again without having come to a return in
      // between. Only two may do that: an arrow function that is an expression, and an async one that others call.
      const mayBegin = place?.canReturn === false || (traced.isAsync && caller === undefined);
      if (place !== last.begunAt || !mayBegin) return;
    }
    this.#leave((each) => each.depth === depth);
    if (!this.#runsOn(traced, below)) this.calls.push({ traced, caller });
    this.#open.push({ traced, depth, calledAt, begunAt: place });
  }

  /** @param {(activation: Activation) => boolean} isLeft */
  #leave(isLeft) {
    for (let last = this.#open.at(-1); last !== undefined && isLeft(last); last = this.#open.at(-1)) {
      if (last.traced.isAsync) this.#suspended.push(last.traced);
      this.#open.pop();
    }
  }

  /**
   * Whether it is an async function that runs on behind an `await`.
   *
   * @param {Traced} traced
   * @param {NodeJS.CallSite | undefined} below
   */
  #runsOn(traced, below) {
    if (!traced.isAsync) return false;
    if (below !== undefined && below.getScriptNameOrSourceURL() !== TASK_QUEUES) return false;
    const index = this.#suspended.indexOf(traced);
    if (index >= 0) this.#suspended.splice(index, 1);
    return index >= 0 || this.#open.some((each) => each.traced === traced);
  }

  /** @param {NodeJS.CallSite | undefined} site */
  #callerIn(site) {
    const file = this.#scriptOf(site)?.file;
    if (site === undefined || file === undefined) return undefined;
    return { file, name: site.getFunctionName() ?? this.#functionAt(site)?.name ?? "anonymous" };
  }

  /** @param {NodeJS.CallSite | undefined} site */
  #functionAt(site) {
    const script = this.#scriptOf(site);
    return site && script && innermost(script.functions.values(), site.getPosition());
  }

  /** @param {NodeJS.CallSite | undefined} site */
  #scriptOf(site) {
    return this.#scripts.get(site?.getScriptNameOrSourceURL() ?? "");
  }
}

/** The stack down to the event loop or to what awaits it, without functions that have no file: those that V8 brings. */
function callSites() {
  // oxlint-disable-next-line typescript/unbound-method -- it is put back below
  const { prepareStackTrace, stackTraceLimit } = Error;
  /** @type {{ stack: readonly NodeJS.CallSite[] }} */
  const holder = { stack: [] };
  Error.prepareStackTrace = (_error, sites) => sites;
  Error.stackTraceLimit = Infinity;
  try {
    Error.captureStackTrace(holder, callSites);
    const { stack } = holder;
    const awaiting = stack.findIndex((site) => site.isAsync());
    const sites = awaiting < 0 ? stack : stack.slice(0, awaiting);
    return sites.filter((site) => site.getScriptNameOrSourceURL());
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** The traced files as V8's inspector shows them: which of their functions ran how often, and where it can stop. */
import { Session } from "node:inspector/promises";

/**
 * A function of a traced file.
 *
 * @typedef {object} Traced
 * @property {string} file What it is called in the result.
 * @property {string} name
 * @property {number} start Where it begins in the file, in characters.
 * @property {number} end
 * @property {boolean} isAsync
 */

/**
 * A place in a function at which V8 can stop.
 *
 * @typedef {object} Place
 * @property {Traced} traced
 * @property {boolean} isReturn
 * @property {boolean} canReturn Whether the function has such a place. An arrow function with an expression has none.
 */

/**
 * A traced file.
 *
 * @typedef {object} Script
 * @property {string} scriptId V8's number for it.
 * @property {string} url
 * @property {string} file What it is called in the result.
 * @property {string} source
 * @property {Map<number, Traced>} functions By where they begin.
 */

/** What V8 makes of the fields of a class, by the name that it has there. */
const MADE_BY_V8 = /^<\w+_initializer>$/;

/** A constructor that calls its parent's. */
const DERIVED = /^constructor\b[^]*\bsuper *\(/;

export class Inspected {
  /** In this thread: what is asked is done at once, and only the answer takes a turn. */
  #session = new Session();
  #directory;
  #title;
  /** The traced files by V8's numbers. @type {Map<string, Script>} */
  #scripts = new Map();
  /** @type {string[]} */
  #breakpoints = [];

  /** @param {URL} directory @param {(file: string) => string} title What a file is called. */
  constructor(directory, title) {
    this.#directory = directory.href;
    this.#title = title;
  }

  async begin() {
    this.#session.connect();
    /** @type {{ scriptId: string, url: string }[]} */
    const parsed = [];
    // Those that were loaded before are told at once. One that is loaded only in the traced run is none of a warm one.
    this.#session.on("Debugger.scriptParsed", ({ params }) => parsed.push(params));
    await this.#session.post("Debugger.enable");
    for (const { scriptId, url } of parsed.filter((script) => script.url.startsWith(this.#directory))) {
      const { scriptSource: source } = await this.#session.post("Debugger.getScriptSource", { scriptId });
      const file = this.#title(url.slice(this.#directory.length));
      this.#scripts.set(scriptId, { scriptId, url, file, source, functions: new Map() });
    }
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  end() {
    this.#session.disconnect();
  }

  get scripts() {
    return this.#scripts.values();
  }

  /** How often functions were entered since this was last asked; for an async one, how often it ran on as well. */
  async takeCounts() {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    /** @type {Map<Traced, number>} */
    const counts = new Map();
    for (const { scriptId, functions } of result) {
      const script = this.#scripts.get(scriptId);
      if (script === undefined) continue;
      for (const { functionName, ranges } of functions) {
        const [{ startOffset, endOffset, count }] = /** @type {[typeof ranges[0]]} */ (ranges);
        if (MADE_BY_V8.test(functionName)) continue;
        const traced = functionOf(script, functionName, startOffset, endOffset);
        if (count > 0) counts.set(traced, count);
      }
    }
    return counts;
  }

  /**
   * Has the global function `hook` called at every place in these functions, with the number of the place.
   *
   * @param {{ has(traced: Traced): boolean }} functions
   * @param {string} hook
   * @returns {Promise<Place[]>} By their numbers.
   */
  async watch(functions, hook) {
    /** @type {Place[]} */
    const places = [];
    for (const script of this.#scripts.values()) {
      for (const traced of script.functions.values()) {
        if (!functions.has(traced)) continue;
        const { locations } = await this.#session.post("Debugger.getPossibleBreakpoints", {
          start: locationOf(script, traced.start),
          end: locationOf(script, traced.end),
          restrictToFunction: true,
        });
        const canReturn = locations.some(({ type }) => type === "return");
        // V8 shows `this` to a condition, and one that sees it before it is made by `super()` has that fail.
        const isDerived = DERIVED.test(script.source.slice(traced.start, traced.end));
        for (const location of locations.filter(({ type }) => !isDerived || type === "return")) {
          const condition = `${hook}(${places.length})`;
          const { breakpointId } = await this.#session.post("Debugger.setBreakpoint", {
            location,
            condition,
          });
          this.#breakpoints.push(breakpointId);
          places.push({ traced, isReturn: location.type === "return", canReturn });
        }
      }
    }
    return places;
  }

  async unwatch() {
    for (const breakpointId of this.#breakpoints.splice(0)) {
      await this.#session.post("Debugger.removeBreakpoint", { breakpointId });
    }
  }
}

/**
 * V8 names functions from the outermost to the innermost.
 *
 * @param {Script} script
 * @param {string} name
 * @param {number} start
 * @param {number} end
 */
function functionOf({ file, source, functions }, name, start, end) {
  const known = functions.get(start);
  if (known !== undefined) return known;
  const head = source.slice(start, end);
  const around = innermost(functions.values(), start);
  const shown = name || /^\[[\w.]+\]/.exec(head)?.[0] || `anonymous in ${around?.name ?? file}`;
  const traced = { file, name: shown, start, end, isAsync: /^async\b/.test(head) };
  functions.set(start, traced);
  return traced;
}

/**
 * The innermost of some functions of one file around a position.
 *
 * @param {Iterable<Traced>} functions
 * @param {number} position
 * @returns {Traced | undefined}
 */
export function innermost(functions, position) {
  let found;
  for (const each of functions) {
    if (each.start <= position && position < each.end && each.start >= (found?.start ?? 0)) found = each;
  }
  return found;
}

/** @param {Script} script @param {number} position */
function locationOf({ scriptId, source }, position) {
  const before = source.slice(0, position).split("\n");
  return {
    scriptId,
    lineNumber: before.length - 1,
    columnNumber: /** @type {string} */ (before.at(-1)).length,
  };
}

/** Checks of what a caller gives: what is not allowed fails at once, with what was given and what is allowed. */
import { InvalidOptionError } from "./errors.js";
import { nearest } from "./nearest.js";

/**
 * A given object without the entries that are undefined: those mean the default.
 * @throws {@link InvalidOptionError} when it is no object.
 */
export function record(name: string, given: unknown, allowed = "an object"): Record<string, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new InvalidOptionError(name, given, allowed);
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/**
 * Refuses entries that have none of these names: a misspelt option must not be silent.
 * @param elsewhere Names with their prefixes that do not belong here, but which somebody may have put here.
 * @param foreign What takes the place of names that other libraries have.
 * @throws {@link InvalidOptionError}
 */
export function refuseUnknown(
  prefix: string,
  given: object,
  names: readonly string[],
  elsewhere: readonly string[] = [],
  foreign: Readonly<Record<string, string>> = {},
): void {
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const misplaced = elsewhere.find((other) => other.endsWith(`.${name}`));
    const own = Object.hasOwn(foreign, name) ? foreign[name] : undefined;
    const meant = own ?? misplaced ?? nearest(name, names);
    const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    throw new InvalidOptionError(
      prefix + name,
      (given as Record<string, unknown>)[name],
      `left out, since there is no such option${hint}; there are: ${names.join(", ")}`,
    );
  }
}

/**
 * The same for the options of a call, of which only some names are known.
 * @throws {@link InvalidOptionError} for another one, or when it is no object.
 */
export function knownOptions(
  call: string,
  given: unknown,
  names: readonly string[],
): Record<string, unknown> {
  const known = record(`The options of ${call}`, given, `an object, { ${names.join(", ")} }`);
  refuseUnknown("", known, names);
  return known;
}

/** @throws {@link InvalidOptionError} for what is neither a function nor left out. */
export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function")
    throw new InvalidOptionError(name, value, "a function");
}

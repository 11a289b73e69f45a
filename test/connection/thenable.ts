/** What an application may give as a promise, and nobody would expect. */

/** An object that has this as its `then`: a promise, where it is given one. */
export function thenable(then: PropertyDescriptor, object: object = {}): never {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
  return Object.defineProperty(object, "then", then) as never;
}

export function fails(): never {
  throw new Error("on purpose");
}

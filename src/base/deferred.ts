/**
 * Says of a promise that an application may leave it alone: it rejects for who waits, and does not end the process when
 * nobody does.
 */
export function mayBeIgnored<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * A promise for what an application gave as one. It is of the ordinary kind: what throws as soon as it is asked, or calls
 * back twice, is a rejection, or settled once.
 */
export function promiseOf<T>(given: T | PromiseLike<T>): Promise<T> {
  try {
    const promise = Promise.resolve(given);
    if (promise.then === Promise.prototype.then) return promise;
  } catch {
    // As below.
  }
  return new Promise((resolve) => resolve(given));
}

/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

export function defer<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

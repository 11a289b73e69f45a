import { describe, expect, test } from "vitest";
import { defer } from "../../src/base/deferred.js";

describe("a promise that is settled from outside", () => {
  test("resolves for who waited before and who asks later, with the first value", async () => {
    const deferred = defer<string>();
    const before = deferred.promise.then((value) => `before: ${value}`);
    deferred.resolve("one");
    deferred.resolve("two");
    deferred.reject(new Error("too late"));
    await expect(before).resolves.toBe("before: one");
    await expect(deferred.promise).resolves.toBe("one");
  });

  test("rejects with the error that it is given, whatever comes later", async () => {
    const deferred = defer<string>();
    const error = new Error("first");
    deferred.reject(error);
    deferred.resolve("too late");
    await expect(deferred.promise).rejects.toBe(error);
  });
});

import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { bytesOf } from "../../src/connection/bytes.js";

const memory = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]).buffer;

describe("the bytes of a message", () => {
  test.for([
    ["a Buffer", Buffer.from(memory, 2, 4), [2, 3, 4, 5]],
    ["a typed array", new Uint16Array(memory, 2, 2), [2, 3, 4, 5]],
    ["a DataView", new DataView(memory, 2, 4), [2, 3, 4, 5]],
    ["an ArrayBuffer", memory, [0, 1, 2, 3, 4, 5, 6, 7]],
  ] as const)("of %s are a view of the same memory, no more and no less of it", ([, data, expected]) => {
    const bytes = bytesOf(data);
    expect([...bytes]).toEqual(expected);
    expect(bytes.buffer).toBe(memory);
  });

  test("that are a Uint8Array already are that very object", () => {
    const bytes = new Uint8Array(memory, 1, 2);
    expect(bytesOf(bytes)).toBe(bytes);
  });

  test.for([
    ["an ArrayBuffer", (taken: ArrayBuffer) => taken],
    ["a Buffer", (taken: ArrayBuffer) => Buffer.from(taken)],
    ["a DataView", (taken: ArrayBuffer) => new DataView(taken)],
  ] as const)("of %s that has been transferred are refused, and it is said why", ([, viewOf]) => {
    const taken = new ArrayBuffer(8);
    const data = viewOf(taken);
    structuredClone(taken, { transfer: [taken] });
    expect(() => bytesOf(data)).toThrow(/^A message must be bytes that have not been transferred elsewhere/);
    expect(bytesOf(new Uint8Array(0))).toHaveLength(0);
  });

  test.for(["ArrayBuffer", "SharedArrayBuffer", "Uint8Array", "DataView"])(
    "can be had of %s of another realm",
    (name) => {
      const data: unknown = runInNewContext(
        name === "DataView" ? "new DataView(new ArrayBuffer(4))" : `new ${name}(4)`,
      );
      expect([...bytesOf(data as ArrayBuffer)]).toEqual([0, 0, 0, 0]);
    },
  );

  test("of memory that threads share are a view of it too", () => {
    const shared = new SharedArrayBuffer(4);
    const bytes = bytesOf(shared as never);
    new Uint8Array(shared)[3] = 9;
    expect([...bytes]).toEqual([0, 0, 0, 9]);
  });

  test.for([undefined, null, 7, [1, 2], { length: 2 }, new Date(0)])("cannot be had of %s", (given) => {
    expect(() => bytesOf(given as never)).toThrow(
      expect.objectContaining({ code: "LASTCALL_INVALID_OPTION", option: "A message" }) as Error,
    );
  });
});

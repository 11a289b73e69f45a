/** Measures what stays in memory, and what is asked for. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { onTestFinished } from "vitest";

// The collector without a flag on the command line, which vitest's own workers would need as well.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes that are still held when the garbage is gone: on the heap and in buffers. */
export function held(): number {
  // The memory behind a buffer goes one collection after the object that stands for it.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

type Make = (size: number, ...rest: never[]) => Buffer<ArrayBuffer>;

/** Counts the bytes that Buffers are made with until the test ends. */
export class Allocations {
  bytes = 0;

  constructor() {
    for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
      const make: Make = Buffer[name].bind(Buffer);
      const counted: Make = (size, ...rest) => {
        this.bytes += size;
        return make(size, ...rest);
      };
      const original = Object.getOwnPropertyDescriptor(Buffer, name)!;
      Object.defineProperty(Buffer, name, { ...original, value: counted });
      onTestFinished(() => void Object.defineProperty(Buffer, name, original));
    }
  }
}

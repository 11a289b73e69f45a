import { isAnyArrayBuffer } from "node:util/types";
import { InvalidOptionError } from "../base/errors.js";

/**
 * The bytes of a binary message, as a view of the same memory.
 * @throws {@link InvalidOptionError} for what is neither bytes nor, at the caller's, a string.
 */
export function bytesOf(data: ArrayBufferView | ArrayBuffer): Uint8Array {
  if (data instanceof Uint8Array && data.length > 0) return data;
  try {
    // What was transferred has no length any more, and no view can be made of it.
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // Of any realm: tests run in one of their own, for instance.
    if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  } catch {
    throw new InvalidOptionError("A message", data, "bytes that have not been transferred elsewhere");
  }
  throw new InvalidOptionError(
    "A message",
    data,
    "a string, a Buffer, a typed array, a DataView or an ArrayBuffer",
  );
}

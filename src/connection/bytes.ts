import { isAnyArrayBuffer } from "node:util/types";
import { InvalidOptionError } from "../base/errors.js";

/**
 * The bytes of a binary message, as a view of the same memory.
 * @throws {@link InvalidOptionError} for what is neither bytes nor, at the caller's, a string.
 */
export function bytesOf(data: ArrayBufferView | ArrayBuffer): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  // Of any realm: tests run in one of their own, for instance.
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  throw new InvalidOptionError(
    "A message",
    data,
    "a string, a Buffer, a typed array, a DataView or an ArrayBuffer",
  );
}

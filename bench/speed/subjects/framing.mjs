/**
 * A control: bare framing on a `net.Socket`, in the handler of 'data', and one write for each chunk. No limits, no
 * checks, no text, no fragments, no promises, no back-pressure: what framing in JavaScript costs at least.
 */
import { encode, startBare } from "../upgrade.mjs";

export default () => startBare(serve, encode);

/** @param {import("node:net").Socket} socket */
function serve(socket) {
  let rest;
  let missing = 0;
  let pieces;
  socket.on("data", (chunk) => {
    if (pieces !== undefined) {
      // A frame of many chunks is put together once.
      pieces.push(chunk);
      missing -= chunk.length;
      if (missing > 0) return;
      chunk = Buffer.concat(pieces);
      pieces = undefined;
    } else if (rest !== undefined) {
      chunk = Buffer.concat([rest, chunk]);
    }
    rest = undefined;
    const out = Buffer.allocUnsafe(chunk.length + 16);
    let written = 0;
    let position = 0;
    while (chunk.length - position >= 6) {
      const opcode = chunk[position] & 15;
      let length = chunk[position + 1] & 127;
      let header = 2;
      if (length === 126) {
        if (chunk.length - position < 4) break;
        length = chunk.readUInt16BE(position + 2);
        header = 4;
      } else if (length === 127) {
        if (chunk.length - position < 10) break;
        length = chunk.readUInt32BE(position + 6);
        header = 10;
      }
      const end = position + header + 4 + length;
      if (end > chunk.length) {
        missing = end - chunk.length;
        break;
      }
      if (opcode === 8) {
        socket.end();
        return;
      }
      let from = position + header;
      const [mask0, mask1, mask2, mask3] = [chunk[from++], chunk[from++], chunk[from++], chunk[from++]];
      out[written++] = chunk[position];
      if (length < 126) {
        out[written++] = length;
      } else if (length < 65536) {
        out[written++] = 126;
        out[written++] = length >> 8;
        out[written++] = length & 255;
      } else {
        out[written++] = 127;
        out.writeUInt32BE(0, written);
        out.writeUInt32BE(length, written + 4);
        written += 8;
      }
      const whole = end - 3;
      while (from < whole) {
        out[written++] = chunk[from++] ^ mask0;
        out[written++] = chunk[from++] ^ mask1;
        out[written++] = chunk[from++] ^ mask2;
        out[written++] = chunk[from++] ^ mask3;
      }
      if (from < end) out[written++] = chunk[from++] ^ mask0;
      if (from < end) out[written++] = chunk[from++] ^ mask1;
      if (from < end) out[written++] = chunk[from++] ^ mask2;
      position = end;
    }
    if (position < chunk.length) {
      rest = chunk.subarray(position);
      if (missing > 0) {
        pieces = [rest];
        rest = undefined;
      }
    }
    if (written > 0) socket.write(out.subarray(0, written));
  });
}

/**
 * A control: no WebSocket at all. It counts the bytes that come, and writes as many ready-made replies: what `net.Socket`
 * and the kernel cost, whoever does the framing.
 */
import { encode, startBare } from "../upgrade.mjs";

/** Bytes of replies that lie ready. */
const READY = 256 * 1024;

/** @param {{ length: number, reply: Buffer }} frame bytes of a frame that comes, and the frame that answers it */
export default ({ length, reply }) => {
  const most = Math.max(1, Math.floor(READY / reply.length));
  const ready = Buffer.concat(Array(most).fill(reply));
  return startBare((socket) => {
    let bytes = 0;
    socket.on("data", (chunk) => {
      // A client's Close, which comes alone.
      if (chunk.length === 8 && chunk[0] === 0x88) return socket.end();
      bytes += chunk.length;
      let frames = Math.floor(bytes / length);
      bytes -= frames * length;
      for (; frames > 0; frames -= most) {
        const count = Math.min(frames, most);
        socket.write(count === most ? ready : ready.subarray(0, count * reply.length));
      }
    });
  }, encode);
};

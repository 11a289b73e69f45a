/** Whom the bench measures, in the order of its tables. */

/** @type {Record<string, { title: string, floor?: true }>} */
export const subjects = {
  "lastcall-for-await": { title: "lastcall, `for await`" },
  "lastcall-each": { title: "lastcall, `each`" },
  ws: { title: "ws" },
  "ws-bufferutil": { title: "ws, bufferutil" },
  "ws-corked": { title: "ws, bufferutil, corked" },
  uws: { title: "uWebSockets.js" },
  framing: { title: "bare framing" },
  socket: { title: "no WebSocket" },
};

/** Whom the others are compared with. */
export const OURS = "lastcall-for-await";

/** Another build of ours, beside ours only: `--against`. */
export const OTHER = "lastcall-other";

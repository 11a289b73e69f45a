/**
 * How a drill talks with a socket.io server over WebSocket: version 4 of engine.io's protocol, in which the first digit
 * is the kind of a packet (4 is a message), and in a message the next one is socket.io's (0 connects, 2 is an event, 3
 * acknowledges one). engine.io's own pings come every 25 s, which no drill waits for.
 */

/** Connects to the main namespace. */
export const open = "40";

export const ack = (message) => message.startsWith("40{");

export function request(n, { id, size }) {
  return `42${n}${JSON.stringify(["request", `${id} `.padEnd(size, "x")])}`;
}

/** `43<n>[…]` acknowledges the event of this number. */
export function match(message) {
  const found = /^43(\d+)\[/.exec(message);
  return found === null ? undefined : Number(found[1]);
}

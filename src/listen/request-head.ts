/** What is kept of a request. */
import type { IncomingMessage } from "node:http";
import type { RequestHead } from "../wire/handshake.js";

/** The head of a request, without the parser's objects. */
export function headOf({ method = "", url = "", httpVersion, headers }: IncomingMessage): RequestHead {
  return { method, url, httpVersion, headers: isJoined(headers) ? headers : joined(headers) };
}

/** Node gives a list for one header only, which servers send and not clients; a client may send it all the same. */
function isJoined(headers: IncomingMessage["headers"]): headers is RequestHead["headers"] {
  return headers["set-cookie"] === undefined;
}

function joined(headers: IncomingMessage["headers"]): RequestHead["headers"] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
}

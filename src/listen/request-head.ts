/** What is kept of a request. */
import type { IncomingMessage } from "node:http";
import type { RequestHead } from "../wire/handshake.js";

/** The head of a request, without the parser's objects. */
export function headOf({
  method = "",
  url = "",
  httpVersion,
  headers,
  rawHeaders,
}: IncomingMessage): RequestHead {
  const hosts = valuesOf("host", rawHeaders);
  return { method, url, httpVersion, headers: isAsSent(headers, hosts) ? headers : joined(headers, hosts) };
}

/**
 * Node gives a list for one header only, which servers send and not clients; a client may send it all the same. And it
 * shows the first of several Hosts, which must not be overlooked.
 */
function isAsSent(
  headers: IncomingMessage["headers"],
  hosts: readonly string[],
): headers is RequestHead["headers"] {
  return headers["set-cookie"] === undefined && hosts.length < 2;
}

function joined(headers: IncomingMessage["headers"], hosts: readonly string[]): RequestHead["headers"] {
  const one = Object.entries(headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(", ") : value,
  ]);
  return {
    ...Object.fromEntries(one),
    ...(hosts.length > 1 ? { host: hosts.join(", ") } : {}),
  } as RequestHead["headers"];
}

function valuesOf(name: string, rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const given = rawHeaders[index]!;
    if (given.length === name.length && given.toLowerCase() === name) values.push(rawHeaders[index + 1]!);
  }
  return values;
}

/**
 * A server that knows who is talking: a token in the query decides who may connect, and behind a proxy that can be
 * trusted `X-Forwarded-For` says from where. It greets, answers with the name, and tells everybody who came.
 *
 *   node examples/sign-in.mjs --port 8080 --trust-proxy
 *   (then connect to ws://127.0.0.1:8080/chat?token=alice)
 */
import { parseArgs } from "node:util";
import { createServer, UpgradeRejected } from "lastcall";
import { terminationSignals } from "lastcall/process";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" }, // 0: any free one
    "trust-proxy": { type: "boolean", default: false },
  },
});

/** Stands for a session store. */
const users = new Map([
  ["alice", { name: "Alice" }],
  ["bob", { name: "Bob" }],
]);

/** @param {import("lastcall").RequestHead} request */
async function authenticate(request) {
  const token = new URL(request.url, "ws://host").searchParams.get("token");
  const user = users.get(token ?? "");
  if (user === undefined) throw new UpgradeRejected(401, "Who are you?", { "WWW-Authenticate": "Bearer" });
  return user;
}

/**
 * The last entry is the one that our own proxy has added; those before it are the client's word.
 *
 * @param {import("lastcall").Connection<unknown>} connection
 */
function addressOf({ request, remoteAddress }) {
  const forwarded = request.headers["x-forwarded-for"] ?? "";
  return (values["trust-proxy"] && forwarded.split(",").at(-1)?.trim()) || remoteAddress;
}

const server = createServer(
  { path: "/chat", authenticate, onError: (error) => console.error(error) },
  async (connection) => {
    const { name } = connection.principal;
    server.broadcast(`${name} came from ${addressOf(connection)}`);
    for await (const message of connection) connection.send(`${name}: ${message}`);
  },
);

const signals = terminationSignals();
const { port } = await server.listen({ port: Number(values.port), host: "127.0.0.1" });
console.log(`Listening on ws://127.0.0.1:${port}`);

const report = await server.run({ signals });
console.log(String(report));

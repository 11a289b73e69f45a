/** How a drill talks with a server of the subprotocol graphql-transport-ws. */

const query = "query ($request: String!) { work(request: $request) }";

export const open = JSON.stringify({ type: "connection_init" });

export const ack = (message) => JSON.parse(message).type === "connection_ack";

export function request(_n, { id, size }) {
  const variables = { request: `${id} `.padEnd(size, "x") };
  return JSON.stringify({ id, type: "subscribe", payload: { query, variables } });
}

/** `complete` only says that nothing more comes, and `error` that the request was refused. */
export function match(message) {
  const { type, id } = JSON.parse(message);
  return type === "next" ? id : undefined;
}

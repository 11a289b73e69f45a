/**
 * How each snippet of the documentation is run: what a reader would have around it, before and after, as JavaScript.
 * `drive` and `assert` are there for all.
 */
export interface Scenario {
  /** What this snippet has and no other. */
  marker: string;
  /** Replaced in the snippet. */
  replace?: readonly [string, string];
  before?: string;
  after?: string;
}

// What many of them begin or go on with.

export const lastcall = `import { createServer, each } from "lastcall";`;
export const server = `${lastcall}
export const server = createServer(async (connection) => {
  for await (const message of connection) connection.send(message);
});
export const { port } = await server.listen({ port: 0, host: "127.0.0.1" });`;
export const listen = `const { port } = await server.listen({ port: 0, host: "127.0.0.1" });`;

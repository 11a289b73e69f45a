/**
 * The frameworks that the suite of this folder runs on. Another one is an entry in `adapters`: its two routes, its
 * HTTP server, and its own way to close. JavaScript, since forked processes run on them as well; and each is loaded when
 * it starts, so that they load only their own.
 */
import { once } from "node:events";
import { createServer } from "node:http";

const LOCAL = { port: 0, host: "127.0.0.1" };

/**
 * An application that listens.
 *
 * @typedef {object} App
 * @property {import("node:http").Server} http
 * @property {() => Promise<string | undefined>} close the framework's own way to close; returns the code of its error,
 *   if there was one
 */

/**
 * @typedef {object} Adapter
 * @property {string} name
 * @property {(slow: () => Promise<string>) => Promise<App>} start starts it: `/fast` is answered at once, `/slow` with
 *   what `slow` resolves with
 * @property {string | undefined} closedAlready what its `close()` says when a shutdown has closed the HTTP server
 */

/**
 * @param {import("node:http").Server} http
 * @returns {Promise<App>}
 */
async function appOn(http) {
  if (!http.listening) await once(http, "listening");
  /** @type {App["close"]} */
  const close = () =>
    new Promise((resolve) => {
      http.close((/** @type {NodeJS.ErrnoException | undefined} */ error) => resolve(error?.code));
    });
  return { http, close };
}

/** @type {Adapter[]} */
export const adapters = [
  {
    name: "node:http",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    start(slow) {
      const http = createServer((request, response) => {
        if (request.url === "/slow") void slow().then((text) => response.end(text));
        else response.end("fast");
      });
      return appOn(http.listen(LOCAL));
    },
  },
  {
    name: "Express",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    async start(slow) {
      const { default: express } = await import("express");
      const app = express();
      app.get("/fast", (_request, response) => void response.send("fast"));
      app.get("/slow", async (_request, response) => void response.send(await slow()));
      return appOn(app.listen(LOCAL.port, LOCAL.host));
    },
  },
  {
    name: "Fastify",
    closedAlready: undefined,
    async start(slow) {
      const { default: fastify } = await import("fastify");
      const app = fastify();
      app.get("/fast", async () => Promise.resolve("fast"));
      app.get("/slow", slow);
      await app.listen(LOCAL);
      return { http: app.server, close: () => app.close() };
    },
  },
  {
    name: "Hono",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    async start(slow) {
      const [{ Hono }, { serve }] = await Promise.all([import("hono"), import("@hono/node-server")]);
      const app = new Hono();
      app.get("/fast", (context) => context.text("fast"));
      app.get("/slow", async (context) => context.text(await slow()));
      const http = serve({ fetch: app.fetch, port: LOCAL.port, hostname: LOCAL.host });
      return appOn(/** @type {import("node:http").Server} */ (http));
    },
  },
  {
    name: "NestJS",
    closedAlready: undefined,
    async start(slow) {
      const { createNest } = await import("./nest.mjs");
      const app = await createNest({ slow });
      await app.listen(LOCAL.port, LOCAL.host);
      return {
        http: /** @type {import("node:http").Server} */ (app.getHttpServer()),
        close: () => app.close().then(() => undefined),
      };
    },
  },
];

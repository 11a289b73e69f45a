/**
 * The frameworks that the suite of this folder runs on. Another one is an entry in `adapters`: its routes, its
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
 * What an application may have beside its two plain routes.
 *
 * @typedef {object} Extras
 * @property {((response: import("node:http").ServerResponse) => void) | undefined} [stream] answers `/events`, on Node's own response
 * @property {() => Promise<unknown>} [beforeClose] what the framework awaits before it closes, where it has such a hook
 */

/**
 * @typedef {object} Adapter
 * @property {string} name
 * @property {boolean} [hasHook] whether it has a hook for `beforeClose`
 * @property {(slow: () => Promise<string>, extras?: Extras) => Promise<App>} start starts it: `/fast` is answered at
 *   once, `/slow` with what `slow` resolves with
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

/**
 * The routes without a framework.
 *
 * @param {() => Promise<string>} slow
 * @param {Extras} [extras]
 * @returns {import("node:http").RequestListener}
 */
export function listenerFor(slow, { stream } = {}) {
  return (request, response) => {
    if (request.url === "/slow") void slow().then((text) => response.end(text));
    else if (request.url === "/events") stream?.(response);
    else response.end("fast");
  };
}

/** @type {Adapter[]} */
export const adapters = [
  {
    name: "node:http",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    start: (slow, extras) => appOn(createServer(listenerFor(slow, extras)).listen(LOCAL)),
  },
  {
    name: "Express",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    async start(slow, { stream } = {}) {
      const { default: express } = await import("express");
      const app = express();
      app.get("/fast", (_request, response) => void response.send("fast"));
      app.get("/slow", async (_request, response) => void response.send(await slow()));
      app.get("/events", (_request, response) => stream?.(response));
      return appOn(app.listen(LOCAL.port, LOCAL.host));
    },
  },
  {
    name: "Fastify",
    closedAlready: undefined,
    hasHook: true,
    async start(slow, { stream, beforeClose } = {}) {
      const { default: fastify } = await import("fastify");
      // While the hook runs, Fastify answers plain requests with 503 unless it is told to go on.
      const app = fastify({ return503OnClosing: beforeClose === undefined });
      app.get("/fast", async () => Promise.resolve("fast"));
      app.get("/slow", slow);
      app.get("/events", (_request, reply) => stream?.(reply.hijack().raw));
      if (beforeClose !== undefined) app.addHook("preClose", async () => void (await beforeClose()));
      await app.listen(LOCAL);
      return { http: app.server, close: () => app.close() };
    },
  },
  {
    name: "Koa",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    async start(slow, { stream } = {}) {
      const { default: Koa } = await import("koa");
      const app = new Koa();
      app.use(async (context) => {
        if (context.path === "/events") {
          context.respond = false;
          stream?.(context.res);
        } else context.body = context.path === "/slow" ? await slow() : "fast";
      });
      return appOn(app.listen(LOCAL));
    },
  },
  {
    name: "Hono",
    closedAlready: "ERR_SERVER_NOT_RUNNING",
    async start(slow, { stream } = {}) {
      const [{ Hono }, { serve }, { RESPONSE_ALREADY_SENT }] = await Promise.all([
        import("hono"),
        import("@hono/node-server"),
        import("@hono/node-server/utils/response"),
      ]);
      /** @type {import("hono").Hono<{ Bindings: import("@hono/node-server").HttpBindings }>} */
      const app = new Hono();
      app.get("/fast", (context) => context.text("fast"));
      app.get("/slow", async (context) => context.text(await slow()));
      app.get("/events", (context) => {
        stream?.(context.env.outgoing);
        return RESPONSE_ALREADY_SENT;
      });
      const http = serve({ fetch: app.fetch, port: LOCAL.port, hostname: LOCAL.host });
      return appOn(/** @type {import("node:http").Server} */ (http));
    },
  },
  {
    name: "NestJS",
    closedAlready: undefined,
    hasHook: true,
    async start(slow, { stream, beforeClose } = {}) {
      const { createNest } = await import("./nest.mjs");
      const hook = { provide: "WebSockets", useValue: { beforeApplicationShutdown: beforeClose } };
      const app = await createNest({ slow, stream, providers: beforeClose === undefined ? [] : [hook] });
      await app.listen(LOCAL.port, LOCAL.host);
      return {
        http: /** @type {import("node:http").Server} */ (app.getHttpServer()),
        close: () => app.close().then(() => undefined),
      };
    },
  },
];

/**
 * The frameworks that the suite of this folder runs on. Another one is an entry in `adapters`: its two routes, its
 * HTTP server, and its own way to close.
 */
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { serve } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";

const LOCAL = { port: 0, host: "127.0.0.1" };

/** An application that listens. */
export interface App {
  http: HttpServer;
  /** The framework's own way to close; returns the code of its error, if there was one. */
  close(): Promise<string | undefined>;
}

export interface Adapter {
  name: string;
  /** Starts it: `/fast` is answered at once, `/slow` with what `slow` resolves with. */
  start: (slow: () => Promise<string>) => Promise<App>;
  /** What its `close()` says when a shutdown has closed the HTTP server already. */
  closedAlready: string | undefined;
}

function closeHttp(http: HttpServer): Promise<string | undefined> {
  return new Promise((resolve) => http.close((error?: NodeJS.ErrnoException) => resolve(error?.code)));
}

async function appOn(http: HttpServer): Promise<App> {
  if (!http.listening) await once(http, "listening");
  return { http, close: () => closeHttp(http) };
}

export const adapters: Adapter[] = [
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
    start(slow) {
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
    start(slow) {
      const app = new Hono();
      app.get("/fast", (context) => context.text("fast"));
      app.get("/slow", async (context) => context.text(await slow()));
      return appOn(serve({ fetch: app.fetch, port: LOCAL.port, hostname: LOCAL.host }) as HttpServer);
    },
  },
];

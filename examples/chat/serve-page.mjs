/** The page's files over plain HTTP. */
import { readFileSync } from "node:fs";

/**
 * What there is, and nothing else: no path of a request is ever made a path of a file.
 *
 * @type {Record<string, { type: string, body: Buffer } | undefined>}
 */
const routes = Object.assign(Object.create(null), {
  "/": file("index.html", "text/html; charset=utf-8"),
  "/page.js": file("page.js", "text/javascript; charset=utf-8"),
  "/link.js": file("link.js", "text/javascript; charset=utf-8"),
  "/style.css": file("style.css", "text/css; charset=utf-8"),
  "/icon.svg": file("icon.svg", "image/svg+xml"),
});

/** @param {string} name @param {string} type */
function file(name, type) {
  return { type, body: readFileSync(new URL(`page/${name}`, import.meta.url)) };
}

/** The page loads its own files, talks to its own server, and runs nothing that is written into it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
export function servePage(request, response) {
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  const route = routes[request.url?.split("?", 1)[0] ?? ""];
  if (route === undefined) {
    response.writeHead(404, { "Content-Type": "text/plain" }).end("There is no such page.\n");
    return;
  }
  response.writeHead(200, {
    "Content-Type": route.type,
    "Content-Length": route.body.length,
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    // After a restart the page may be a newer one.
    "Cache-Control": "no-cache",
  });
  response.end(request.method === "HEAD" ? undefined : route.body);
}

/** Shows the built site to whoever sits at this machine. VitePress' own preview listens to everybody. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

/** @type {Record<string, string>} */
const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/**
 * The file that a path of the site means, if there is one.
 *
 * @param {string} site
 * @param {string} path
 */
function fileFor(site, path) {
  const candidates = [path, `${path}.html`, `${path}/index.html`].map((name) => join(site, name));
  return candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
}

/**
 * @param {string} site the folder
 * @param {number} [port]
 */
export function serveSite(site, port = 4173) {
  const server = createServer((request, response) => {
    // A URL resolves `..`, so nothing outside of the folder can be asked for.
    const { pathname } = new URL(`http://site${request.url}`);
    const found = fileFor(site, pathname);
    const file = found ?? fileFor(site, "/404.html");
    response.writeHead(found === undefined ? 404 : 200, {
      "Content-Type": TYPES[extname(file ?? "")] ?? "application/octet-stream",
    });
    if (file === undefined) response.end();
    else createReadStream(file).pipe(response);
  });
  return server.listen(port, "127.0.0.1");
}

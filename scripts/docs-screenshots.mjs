/**
 * Pictures of the built site, wide and narrow, light and dark, in .cache/docs-screenshots/: for people to look at.
 * Fails when a page asks for anything from elsewhere, or is wider than its window.
 *
 *   npm run docs && node scripts/docs-screenshots.mjs
 *   (names choose pages: node scripts/docs-screenshots.mjs options contract)
 */
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { programs } from "./debian.mjs";

const site = fileURLToPath(new URL("../docs/site/", import.meta.url));
const pictures = fileURLToPath(new URL("../.cache/docs-screenshots/", import.meta.url));

/** @type {Record<string, string>} */
const pages = {
  home: "index.html",
  "getting-started": "getting-started.html",
  questions: "questions.html",
  recipes: "recipes.html",
  options: "options.html",
  reference: "reference.html",
  contract: "contract.html",
  clients: "clients.html",
  hosts: "hosts.html",
  deploying: "deploying.html",
  drill: "drill.html",
  peers: "peers.html",
  performance: "performance.html",
  "from-ws": "from-ws.html",
  api: "api/index.html",
  "api-connection": "api/lastcall/interfaces/Connection.html",
  "api-options": "api/lastcall/interfaces/ServerOptions.html",
  source: "source/examples/express.mjs.html",
};
const widths = { wide: 1280, narrow: 390 };
/** @type {readonly ("light" | "dark")[]} */
const schemes = ["light", "dark"];
/** @type {Record<string, string>} */
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(`http://site${request.url}`).pathname);
  const file = `${site}${path.endsWith("/") ? `${path}index.html` : path}`;
  if (!existsSync(file)) return response.writeHead(404).end();
  response.setHeader("Content-Type", types[extname(file)] ?? "application/octet-stream");
  return createReadStream(file).pipe(response);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const origin = `http://127.0.0.1:${port}`;

const executablePath = programs.chromium.find();
if (executablePath === undefined || !existsSync(site)) {
  console.error("Needs the built site (npm run docs) and Chromium.");
  process.exit(2);
}
mkdirSync(pictures, { recursive: true });
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking";
const browser = await chromium.launch({
  executablePath,
  args: [...flags.split(" "), "--disable-component-update", "--disable-sync"],
});
/** @type {Set<string>} */
const faults = new Set();
const chosen = process.argv.slice(2);

for (const scheme of schemes) {
  for (const [size, width] of Object.entries(widths)) {
    // The picture of a reader whose system is light, and who has chosen dark on the page, is the harder one.
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: "light" });
    await context.addInitScript(`localStorage.setItem("vitepress-theme-appearance", "${scheme}")`);
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(origin))
        faults.add(`asks for ${request.url()}`);
    });
    for (const [name, path] of Object.entries(pages)) {
      if (chosen.length > 0 && !chosen.includes(name)) continue;
      await page.goto(`${origin}/${path}`, { waitUntil: "load" });
      const overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      if (Number(overflow) > 0) faults.add(`${name}, ${size}: ${overflow} pixels wider than its window`);
      await page.screenshot({ path: `${pictures}${name}-${size}-${scheme}.png`, fullPage: true });
    }
    if (chosen.length === 0 || chosen.includes("search")) {
      await page.goto(`${origin}/getting-started.html`, { waitUntil: "load" });
      await page.click(".VPNavBarSearch button");
      await page.fill(".VPLocalSearchBox input", "draining");
      await page.waitForSelector(".VPLocalSearchBox .result");
      await page.screenshot({ path: `${pictures}search-${size}-${scheme}.png` });
    }
    await context.close();
  }
}

await browser.close();
server.close();
for (const fault of faults) console.error(fault);
console.log(`The pictures are in .cache/docs-screenshots/: ${faults.size} faults.`);
process.exitCode = faults.size === 0 ? 0 : 1;

/**
 * `npm run docs`: the site, in docs/site/. Its pages are README.md, docs/*.md and a few more, with links that work
 * there, and the API reference that typedoc generates. Fails on an export without documentation, on a dead link and on a
 * dead anchor. With `-- --serve` it is shown on 127.0.0.1 then.
 *
 * What is built from lies in docs/.site/. typedoc needs TypeScript 6: it, and VitePress, live in docs/node_modules.
 */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gatherPages, introduceApi } from "./docs/gather.mjs";
import { deadLinks } from "./docs/dead-links.mjs";
import { serveSite } from "./docs/serve.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const staged = `${root}docs/.site/`;
const site = `${root}docs/site/`;
process.chdir(`${root}docs`);

/**
 * Ends this process when a step fails.
 *
 * @param {string} command
 * @param {...string} args
 */
function run(command, ...args) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

if (!["typedoc", "vitepress"].every((name) => existsSync(`node_modules/${name}`))) run("npm", "ci");

for (const folder of [staged, site]) rmSync(folder, { recursive: true, force: true });
gatherPages(root, staged);
run(process.execPath, "node_modules/typedoc/bin/typedoc", "--out", `${staged}api`);
introduceApi(staged);
run(process.execPath, "node_modules/vitepress/bin/vitepress.js", "build");

const dead = deadLinks(site);
for (const { page, link } of dead) console.error(`${page}: ${link} leads nowhere`);
console.log(`The site is in docs/site/: ${dead.length} dead links.`);
process.exitCode = dead.length === 0 ? 0 : 1;
if (process.argv.includes("--serve")) {
  const server = serveSite(site);
  server.once("listening", () => {
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    console.log(`Look at it on http://127.0.0.1:${port}/ (Ctrl-C ends it).`);
  });
} else console.log("To look at it: npm run docs -- --serve");

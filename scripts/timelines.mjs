/**
 * `npm run timelines`: draws a good and a bad shutdown, as a drill has seen them, for README.md. Each is a real run: of
 * examples/server.mjs, and of a server that closes at once when it is told to stop.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildIfNeeded } from "./build-if-needed.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
if (!buildIfNeeded()) process.exit(1);

const { drill } = await import(new URL("../dist/drill/index.js", import.meta.url).href);
const { timelineSvg } = await import(new URL("../dist/drill/report/index.js", import.meta.url).href);

const servers = {
  good: ["examples/server.mjs", "--port", "{port}"],
  bad: ["test/fixtures/careless-server.mjs"],
};

for (const [name, args] of Object.entries(servers)) {
  const { runs, sentence } = await drill({ command: [process.execPath, ...args], promise: [1012], seed: 1 });
  const path = `docs/timeline-${name}.svg`;
  writeFileSync(path, timelineSvg(runs[0]));
  console.log(`${path}: ${sentence}`);
}

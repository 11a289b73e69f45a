/** Where a server's time goes, by function: from V8's own sampling. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROWS = 25;

/** A Markdown table. */
export async function profileOf(workload, subject, node) {
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  try {
    const nodeOptions = ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=200"];
    await workload.run(subject, { node, nodeOptions });
    const [file] = readdirSync(folder);
    return tableOf(JSON.parse(readFileSync(join(folder, file), "utf8")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tableOf({ nodes, samples, timeDeltas }) {
  const nameOf = new Map();
  for (const { id, callFrame } of nodes) {
    const place = callFrame.url.split("/").slice(-2).join("/");
    nameOf.set(id, `${callFrame.functionName || "(anonymous)"}${place && ` ${place}`}`);
  }
  const time = new Map();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const name = nameOf.get(id);
    if (name === "(idle)") continue;
    busy += timeDeltas[index];
    time.set(name, (time.get(name) ?? 0) + timeDeltas[index]);
  }
  const rows = [...time].toSorted(([, a], [, b]) => b - a).slice(0, ROWS);
  return [
    "| share of busy time | function |",
    "|---:|---|",
    ...rows.map(([name, spent]) => `| ${((100 * spent) / busy).toFixed(1)} % | \`${name}\` |`),
  ].join("\n");
}

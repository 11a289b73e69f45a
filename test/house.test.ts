/**
 * The rules of the house hold only as long as their tools go red. Here each is given an offender.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { ms } from "./tools/timing.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const folders = [
  "base",
  "wire",
  "drain",
  "session",
  "connection",
  "listen",
  "server",
  "ws",
  "topics",
  "stores",
  "client",
  "process",
  "admin",
  "drill",
  "cli",
] as const;
type Folder = (typeof folders)[number];

const rooms = ["base", "wire", "drain", "connection", "listen"] as const;

/** The import table of docs/decisions.md. Every edge between two folders that is not here is forbidden. */
const mayImport: Record<Folder, readonly Folder[]> = {
  base: [],
  wire: [],
  drain: [],
  session: ["wire"],
  connection: ["base", "wire", "drain"],
  listen: ["base", "wire", "connection"],
  server: rooms,
  ws: rooms,
  topics: ["base"],
  stores: ["base"],
  client: ["session"],
  process: ["base", "server", "ws"],
  admin: ["base", "server", "ws"],
  drill: ["wire"],
  cli: folders,
};

const scratch = mkdtempSync(join(tmpdir(), "lastcall-house-"));
afterAll(() => rmSync(scratch, { recursive: true }));

let trees = 0;

interface Diagnostic {
  filename: string;
  code: string;
  labels: { span: { line: number } }[];
}

/** Writes the files into an empty tree with the repository's lint rules and returns what they say: `path rule`. */
function lint(files: Record<string, string>): Set<string> {
  return new Set(diagnose(files).map(({ filename, code }) => `${filename} ${code}`));
}

function diagnose(files: Record<string, string>): Diagnostic[] {
  const tree = join(scratch, String(trees++));
  mkdirSync(tree);
  copyFileSync(join(root, ".oxlintrc.json"), join(tree, ".oxlintrc.json"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const { stdout, status } = spawnSync(process.execPath, [oxlint, "--format=json"], {
    cwd: tree,
    encoding: "utf8",
  });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Diagnostic[] };
  expect(status).toBe(diagnostics.length === 0 ? 0 : 1);
  return diagnostics;
}

const RESTRICTED_IMPORT = "eslint(no-restricted-imports)";

describe("the import table", () => {
  it("has a row for every folder in src", () => {
    const present = readdirSync(join(root, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders).toEqual(expect.arrayContaining(present));
  });

  const forms: Record<string, (path: string) => string> = {
    "an import": (path) => `import { thing } from "${path}";\nexport const used = thing;\n`,
    "an import of a type": (path) => `import type { Thing } from "${path}";\nexport type Used = Thing;\n`,
    "a re-export": (path) => `export { thing } from "${path}";\n`,
    "a dynamic import": (path) => `export const used = () => import("${path}");\n`,
  };
  for (const [form, write] of Object.entries(forms)) {
    it(`is red for every forbidden edge and green for every other, as ${form}`, () => {
      const files: Record<string, string> = {};
      const forbidden: string[] = [];
      for (const from of folders) {
        files[`src/${from}/thing.ts`] = "export const thing = 1;\nexport type Thing = number;\n";
        files[`src/${from}/same-folder.ts`] = write("./thing.js");
        for (const to of folders.filter((folder) => folder !== from)) {
          files[`src/${from}/imports-${to}.ts`] = write(`../${to}/thing.js`);
          if (!mayImport[from].includes(to)) {
            forbidden.push(`src/${from}/imports-${to}.ts ${RESTRICTED_IMPORT}`);
          }
        }
      }
      expect(lint(files)).toEqual(new Set(forbidden));
    });
  }

  it("lets one file through where a folder is closed: ws has the premises, server the contract of topics", () => {
    const files = {
      "src/ws/face.ts": `export { thing } from "../server/premises.js";\n`,
      "src/server/broker.ts": `export { thing } from "../topics/broker.js";\n`,
    };
    expect(lint(files)).toEqual(new Set());
  });

  it("is red for an import written as a type, which would pass it unseen", () => {
    const files = { "src/wire/a.ts": `export type Used = import("../server/thing.js").Thing;\n` };
    expect(lint(files)).toEqual(new Set(["src/wire/a.ts typescript(consistent-type-imports)"]));
  });

  it("lets src/index.ts export from the rooms of the server only", () => {
    const lines = folders.map((folder) => `export { thing as ${folder} } from "./${folder}/thing.js";\n`);
    const red = diagnose({ "src/index.ts": lines.join("") }).map(({ labels }) => labels[0]!.span.line);
    expect(folders.filter((_, index) => !red.includes(index + 1))).toEqual([
      "base",
      "wire",
      "drain",
      "connection",
      "listen",
      "server",
    ]);
  });

  it("is red when a folder reaches the others through src/index.ts or the built package", () => {
    const offenders = folders
      .filter((folder) => folder !== "cli")
      .flatMap((folder): [string, string][] => [
        [`src/${folder}/through-index.ts`, `export { thing } from "../index.js";\n`],
        [`src/${folder}/through-package.ts`, `export { thing } from "lastcall";\n`],
        [`src/${folder}/through-subpath.ts`, `export { thing } from "lastcall/process";\n`],
      ]);
    expect(lint(Object.fromEntries(offenders))).toEqual(
      new Set(offenders.map(([path]) => `${path} ${RESTRICTED_IMPORT}`)),
    );
  });

  it("is red for a cycle", () => {
    const found = lint({
      "src/server/a.ts": `import { b } from "./b.js";\nexport const a = () => b;\n`,
      "src/server/b.ts": `import { a } from "./a.js";\nexport const b = () => a;\n`,
    });
    expect(found).toEqual(new Set(["src/server/a.ts import(no-cycle)", "src/server/b.ts import(no-cycle)"]));
  });
});

describe("a pure core", () => {
  const impureModules = [
    "node:net",
    "node:http",
    "node:timers",
    "node:timers/promises",
    "node:fs",
    "net",
    "ws",
  ];
  const impureGlobals = [
    "setTimeout",
    "setInterval",
    "setImmediate",
    "queueMicrotask",
    "Date",
    "performance",
    "process",
    "globalThis",
  ];

  it("imports nothing that does I/O or keeps time", () => {
    const offenders = ["wire", "drain", "session"].flatMap((folder) =>
      impureModules.map((module, index): [string, string] => [
        `src/${folder}/module-${index}.ts`,
        `export * as used from "${module}";\n`,
      ]),
    );
    expect(lint(Object.fromEntries(offenders))).toEqual(
      new Set(offenders.map(([path]) => `${path} ${RESTRICTED_IMPORT}`)),
    );
  });

  it("uses no timer, no clock and no chance", () => {
    const offenders = ["wire", "drain", "session"].flatMap((folder) =>
      impureGlobals.map((name): [string, string] => [
        `src/${folder}/${name}.ts`,
        `export const used = () => ${name};\n`,
      ]),
    );
    const chance = { "src/drain/chance.ts": "export const used = () => Math.random();\n" };
    expect(lint({ ...Object.fromEntries(offenders), ...chance })).toEqual(
      new Set([
        ...offenders.map(([path]) => `${path} eslint(no-restricted-globals)`),
        "src/drain/chance.ts eslint(no-restricted-properties)",
      ]),
    );
  });

  it("may use the bytes and the hash that the wire is made of, but only there", () => {
    const files = {
      "src/wire/bytes.ts": `export { isUtf8 } from "node:buffer";\nexport { createHash } from "node:crypto";\n`,
      "src/server/timers.ts": `export const used = () => [Date, process];\n`,
    };
    expect(lint(files)).toEqual(new Set());
    expect(lint({ "src/drain/hash.ts": files["src/wire/bytes.ts"] }).size).toBe(1);
  });
});

describe("the library", () => {
  it("is TypeScript only: a compiled file beside its source is what tests would import, however old", () => {
    const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
    expect(files.filter((path) => /\.([cm]?js|d\.[cm]?ts)$/.test(path))).toEqual([]);
  });

  it("waits by Node's own timers, as they were when it was loaded: a test may have faked the global ones", () => {
    const waits = `export const waits = () => setTimeout(() => process.nextTick(performance.now), Date.now());\n`;
    const files = { "src/server/waits.ts": waits, "src/drill/waits.ts": waits, "src/base/waits.ts": waits };
    const rules = ["eslint(no-restricted-globals)", "eslint(no-restricted-properties)"];
    expect(lint(files)).toEqual(
      new Set(Object.keys(files).flatMap((file) => rules.map((rule) => `${file} ${rule}`))),
    );
  });

  it("prints nothing outside cli", () => {
    const files = {
      "src/server/loud.ts": `export const loud = () => console.log("here");\n`,
      "src/cli/loud.ts": `export const loud = () => console.log("here");\n`,
    };
    expect(lint(files)).toEqual(new Set(["src/server/loud.ts eslint(no-console)"]));
  });
});

describe("a test file that leaves something open", () => {
  const connected = `
    const { connect, createServer } = await import("node:net");
    const { once } = await import("node:events");
    const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect(server.address().port, "127.0.0.1");
    await once(socket, "connect");
    server.close();`;
  const left: Record<string, string> = {
    server: `(await import("node:net")).createServer().listen(0, "127.0.0.1");`,
    socket: connected,
    timeout: `setTimeout(() => {}, 60_000);`,
    interval: `setInterval(() => {}, 60_000);`,
    child: `(await import("node:child_process")).spawn("sleep", ["5"], { stdio: "ignore" });`,
    signal: `process.on("SIGTERM", () => {});`,
    unreferenced: `(await import("./src/unreferenced.mjs")).start();`,
  };
  const closed: Record<string, string> = {
    nothing: "",
    closing: `${connected} socket.end(); setTimeout(() => {}, 20);`,
    "unreferenced by others": `setTimeout(() => {}, 60_000).unref();`,
  };

  it("fails, and one that closes in time does not", { timeout: ms(120_000) }, () => {
    const tree = join(scratch, "open-handles");
    mkdirSync(join(tree, "src"), { recursive: true });
    for (const [name, body] of Object.entries({ ...left, ...closed })) {
      writeFileSync(join(tree, `${name}.test.mjs`), `it("ends well", async () => {${body}});\n`);
    }
    writeFileSync(
      join(tree, "src/unreferenced.mjs"),
      "export const start = () => setTimeout(() => {}, 60_000).unref();\n",
    );
    const config = {
      globals: true,
      pool: "forks",
      maxWorkers: 2,
      setupFiles: [join(root, "test/tools/open-handles.ts")],
    };
    writeFileSync(
      join(tree, "vitest.config.mjs"),
      `export default { test: ${JSON.stringify(config)}, cacheDir: "cache" };\n`,
    );
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, "node_modules/vitest/vitest.mjs"), "run", "--reporter=json"],
      { cwd: tree, encoding: "utf8", env: { ...process.env, TEST_TIME_SCALE: "0.2" } },
    );
    const { testResults } = JSON.parse(stdout) as {
      testResults: { name: string; status: string; message: string }[];
    };
    const red = testResults.filter(({ status }) => status === "failed");
    expect(testResults).toHaveLength(Object.keys({ ...left, ...closed }).length);
    expect(red.map(({ name }) => basename(name, ".test.mjs")).sort()).toEqual(Object.keys(left).sort());
    for (const { message } of red) expect(message).toContain("This test file left open");
  });
});

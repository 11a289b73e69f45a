/**
 * What the package promises by name. A name that comes or goes changes this list, and with it the version number.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as main from "../../src/index.js";
import * as drill from "../../src/drill/index.js";
import * as process from "../../src/process/index.js";

const EXPORT = /^export (type )?\{(.*?)\} from "(.*?)";$/gms;

/** The names that a file re-exports, `type` before those that are types only. */
function reexports(path: string): string[] {
  const source = readFileSync(new URL(path, import.meta.url), "utf8");
  return [...source.matchAll(EXPORT)].flatMap(([, type = "", names = ""]) =>
    names
      .split(",")
      .map((name) => type + name.trim())
      .filter((name) => name !== type),
  );
}

/** What is left of a file once its comments, the types that it brings and its re-exports are taken out. */
function rest(path: string): string {
  const source = readFileSync(new URL(path, import.meta.url), "utf8");
  return source
    .replaceAll(/\/\*.*?\*\//gs, "")
    .replaceAll(/^\/\/\/ <reference .* \/>$/gm, "")
    .replaceAll(EXPORT, "")
    .trim();
}

const entries = [
  {
    name: "lastcall",
    path: "../../src/index.ts",
    module: main,
    values: [
      "ConnectionGoneError",
      "InvalidOptionError",
      "LastcallError",
      "ServerStateError",
      "UpgradeRejected",
      "createServer",
      "defaults",
      "each",
    ],
    types: [
      "Authenticate",
      "AuthenticateContext",
      "ClientTls",
      "Connection",
      "CompressionOptions",
      "ConnectionClosed",
      "ConnectionDrainOptions",
      "ConnectionEvent",
      "CutRequest",
      "DrainOptions",
      "DrainProgressEvent",
      "DrainReport",
      "DropEvent",
      "EndCause",
      "ErrorEvent",
      "Handler",
      "HeartbeatOptions",
      "InboxLimit",
      "ListenPlace",
      "ListenTarget",
      "Message",
      "ProtocolChoice",
      "Reply",
      "RequestHead",
      "RunOptions",
      "Server",
      "ServerOptions",
      "ServerState",
      "StopSignals",
      "TroubledConnection",
      "UpgradeEvent",
      "Verdict",
    ],
  },
  {
    name: "lastcall/process",
    path: "../../src/process/index.ts",
    module: process,
    values: ["terminationSignals"],
    types: ["TerminationSignals", "TerminationSignalsOptions"],
  },
  {
    name: "lastcall/drill",
    path: "../../src/drill/index.ts",
    module: drill,
    values: [
      "DrillError",
      "drill",
      "drillDefaults",
      "htmlReport",
      "junitReport",
      "profileNames",
      "requestClasses",
    ],
    types: [
      "ConnectionResult",
      "DrillErrorCode",
      "DrillOptions",
      "DrillResult",
      "DrillScript",
      "DrillSettings",
      "Finding",
      "Latency",
      "ProcessResult",
      "ProfileName",
      "Progress",
      "RequestClass",
      "RequestDetails",
      "RequestResult",
      "RunResult",
    ],
  },
];

describe.each(entries)("$name", ({ path, module, values, types }) => {
  it("exports these values and no others", () => {
    expect(Object.keys(module).sort()).toEqual(values);
  });

  it("exports these types and no others, and no name twice", () => {
    expect(reexports(path).sort()).toEqual([...values, ...types.map((type) => `type ${type}`)].sort());
  });

  it("holds nothing but re-exports", () => {
    expect(rest(path)).toBe("");
  });
});

it("gives no name to two things", () => {
  const names = entries.flatMap(({ values, types }) => [...values, ...types]);
  expect(new Set(names).size).toBe(names.length);
});

it("can be entered by these paths and no others", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    exports: Record<string, unknown>;
  };
  expect(Object.keys(exports)).toEqual([".", "./process", "./drill", "./package.json"]);
});

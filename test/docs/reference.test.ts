/** The tables of members, fields and exports against what there is. The compiler sees to it that these lists are whole. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as drill from "../../src/drill/index.js";
import * as lastcall from "../../src/index.js";
import type { Connection, DrainReport, Server, TroubledConnection } from "../../src/index.js";
import * as processExports from "../../src/process/index.js";
import { readPage, root } from "./pages.js";

type Names<T> = { [Name in keyof T]: true };

const connection: Names<Connection> = {
  [Symbol.asyncIterator]: true,
  send: true,
  flushed: true,
  bufferedAmount: true,
  ping: true,
  close: true,
  shutdown: true,
  closed: true,
  waitUntil: true,
  signal: true,
  draining: true,
  id: true,
  request: true,
  protocol: true,
  principal: true,
  remoteAddress: true,
};

const server: Names<Server> = {
  listen: true,
  run: true,
  shutdown: true,
  close: true,
  broadcast: true,
  connections: true,
  address: true,
  state: true,
  [Symbol.asyncDispose]: true,
};

const report: Names<Omit<DrainReport, "toString" | "connections" | "messages" | "requests">> & {
  connections: Names<DrainReport["connections"]>;
  requests: Names<DrainReport["requests"]>;
  messages: Names<DrainReport["messages"]>;
} = {
  outcome: true,
  startedAt: true,
  duration: true,
  connections: { total: true, closed: true, left: true, unconfirmed: true, forced: true, unproven: true },
  messages: { served: true, handedBack: true, undelivered: true, abandoned: true },
  requests: { answered: true, left: true, cut: true },
  cutRequests: true,
  neverAccepted: true,
  troubled: true,
  troubledOmitted: true,
};

const troubled: Names<TroubledConnection> = {
  id: true,
  remoteAddress: true,
  reason: true,
  cause: true,
  detail: true,
  queued: true,
  unsentBytes: true,
  running: true,
  unreadUnknown: true,
};

/** The names in the first cells of the tables of a section, without their arguments. */
function documented(page: string, from: string, to: string): string[] {
  const section = readPage(page).split(from)[1]!.split(to)[0]!;
  return [...section.matchAll(/^\| `([^`(]+)/gm)].map((match) => match[1]!);
}

function namesOf(members: object): string[] {
  return Reflect.ownKeys(members).map((key) =>
    typeof key === "symbol" ? `[${key.description!.replace("nodejs.", "Symbol.")}]` : key,
  );
}

it("has a row for each member of Connection", () => {
  expect(documented("docs/reference.md", "## `Connection`", "\n## ").sort()).toEqual(
    namesOf(connection).sort(),
  );
});

it("has a row for each member of Server", () => {
  expect(documented("docs/reference.md", "## `Server`", "\n## ").sort()).toEqual(namesOf(server).sort());
});

it("has a row for each field of the report", () => {
  const fields = Object.entries(report).flatMap(([name, inner]) =>
    inner === true ? [name] : Object.keys(inner).map((field) => `${name}.${field}`),
  );
  const rows = documented("docs/contract.md", "## The report", "Each connection in `troubled`");
  expect(rows.sort()).toEqual(fields.sort());
});

it("has a row for each field of a troubled connection", () => {
  const rows = documented("docs/contract.md", "Each connection in `troubled`", "\n### ");
  expect(rows.sort()).toEqual(namesOf(troubled).sort());
});

it("names each export", () => {
  const exported = [lastcall, processExports, drill].flatMap((module) => Object.keys(module));
  const [, section = ""] = readPage("docs/reference.md").split("## Exports");
  expect(exported.filter((name) => !section.includes(`\`${name}`))).toEqual([]);
});

it("names each exported type, and none that there is not", () => {
  const source = readFileSync(new URL("src/index.ts", root), "utf8");
  const exported = [...source.matchAll(/^export (type )?\{(.*?)\}/gms)].flatMap(([, all, names]) =>
    names!
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && (all !== undefined || name.startsWith("type ")))
      .map((name) => name.replace("type ", "")),
  );
  const types = readPage("docs/reference.md")
    .split("Types, from `lastcall`:")[1]!
    .split("From `lastcall/process`")[0]!;
  expect([...types.matchAll(/`(\w+)`/g)].map((match) => match[1]!).sort()).toEqual(exported.sort());
});

/**
 * After each test file nothing may be open: no socket, server, timer, child process or signal listener. Runs as a
 * vitest setup file, so that every file is held to it without a line of its own.
 */
import { Server, Socket } from "node:net";
import { afterAll } from "vitest";
import { ms } from "./timing.js";

/** What Node calls the things that a test may leave open. Others (file system requests, …) end by themselves. */
const KINDS = /^(TCP|TLS|Pipe|Process|TTY|UDP|MessagePort|Worker|FSEvent|Timeout)/i;

/** How long a handle that is being closed may take to go. */
const GRACE = ms(2_000);

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

interface Unreferenced {
  handle: NodeJS.Timeout | Socket | Server;
  where: string;
}

/** Where the package's own code lies: the sources, and the build that forked examples use. */
const OURS = /\/(src|dist)\/[^:]+:\d+/;
const THEIRS = "/node_modules/";

/** Handles that code of ours took out of Node's own list by `unref()`. */
const unreferenced = new Set<Unreferenced>();

/** Node lists only what keeps the process alive; so what our code unrefs is remembered here. */
function watchUnref(prototype: { unref(): unknown }): void {
  // oxlint-disable-next-line typescript/unbound-method -- called below with the handle as `this`
  const original = prototype.unref;
  prototype.unref = function (this: Unreferenced["handle"]) {
    const frames = new Error().stack?.split("\n") ?? [];
    const where = frames.find((line) => OURS.test(line) && !line.includes(THEIRS));
    if (where !== undefined) unreferenced.add({ handle: this, where: where.trim() });
    return original.call(this);
  };
}

function isOpen({ handle }: Unreferenced): boolean {
  if (handle instanceof Server) return handle.listening;
  if (handle instanceof Socket) return !handle.destroyed;
  // oxlint-disable-next-line no-underscore-dangle -- Node's own word for it: there is no public one
  return !(handle as unknown as { _destroyed: boolean })._destroyed;
}

function count(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function resources(): Map<string, number> {
  const listeners = SIGNALS.flatMap((signal) =>
    process.listeners(signal).map(() => `listener for ${signal}`),
  );
  return count([...process.getActiveResourcesInfo().filter((kind) => KINDS.test(kind)), ...listeners]);
}

function leftOpen(before: Map<string, number>): string[] {
  const left: string[] = [];
  for (const [kind, open] of resources()) {
    const more = open - (before.get(kind) ?? 0);
    if (more > 0) left.push(`${more} × ${kind}`);
  }
  for (const entry of unreferenced) {
    if (isOpen(entry)) left.push(`${entry.handle.constructor.name}, unreferenced ${entry.where}`);
  }
  return left;
}

const probe = setTimeout(() => {}, 0);
watchUnref(Object.getPrototypeOf(probe) as NodeJS.Timeout);
clearTimeout(probe);
watchUnref(Socket.prototype);
watchUnref(Server.prototype);

const before = resources();

// Registered before the file's own hooks, so it runs after them.
afterAll(async () => {
  const deadline = performance.now() + GRACE;
  while (leftOpen(before).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const left = leftOpen(before);
  if (left.length > 0) throw new Error(`This test file left open:\n  ${left.join("\n  ")}`);
});

/** The name of a Unix socket, as long as it is ours. */
import cluster from "node:cluster";
import { once } from "node:events";
import { existsSync, lstatSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { SocketFile } from "../../src/listen/socket-file.js";
import { scratch } from "../tools/scratch.js";

interface Bound {
  file: SocketFile;
  server: Server;
  folder: string;
}

/** A socket that is bound under the file's private name, as a listener does it. */
async function bound(path: string): Promise<Bound> {
  const file = new SocketFile(path);
  const server = createServer().listen(file.boundPath);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return { file, server, folder: dirname(path) };
}

describe("the private name", () => {
  test("lies in the same folder, is hidden, different each time, and no longer than the one that was asked for", () => {
    for (const name of ["a-long-name-of-a-socket", "short.sk", "short"]) {
      const [one, two] = [new SocketFile(`/run/${name}`), new SocketFile(`/run/${name}`)];
      expect(dirname(one.boundPath)).toBe("/run");
      expect(basename(one.boundPath)).toMatch(/^\.[0-9a-f]{4,12}$/);
      expect(one.boundPath.length).toBeLessThanOrEqual(one.path.length);
      expect(one.boundPath).not.toBe(two.boundPath);
    }
  });

  test("vanishes when the socket gets its name, which then is the only one", async () => {
    const path = join(scratch(), "socket");
    const { file, folder } = await bound(path);
    expect(readdirSync(folder)).toEqual([basename(file.boundPath)]);
    file.publish();
    expect(readdirSync(folder)).toEqual(["socket"]);
    expect(lstatSync(path).isSocket()).toBe(true);
  });
});

describe("a name that is taken", () => {
  test("is EADDRINUSE as Node says it, is left alone, and so is nothing of ours", async () => {
    const path = join(scratch(), "socket");
    writeFileSync(path, "somebody else's");
    const { file, folder } = await bound(path);
    expect(() => file.publish()).toThrow(
      expect.objectContaining({
        message: `listen EADDRINUSE: address already in use ${path}`,
        code: "EADDRINUSE",
        syscall: "listen",
        address: path,
      }) as Error,
    );
    file.unpublish();
    expect(readdirSync(folder)).toEqual(["socket"]);
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("of a folder that is gone fails with what the system says", async () => {
    const folder = join(scratch(), "inner");
    const file = new SocketFile(join(folder, "socket"));
    expect(() => file.publish()).toThrow(expect.objectContaining({ code: "ENOENT" }) as Error);
  });
});

describe("the end", () => {
  test("removes the name while it is ours, and does not mind when it is gone", async () => {
    const path = join(scratch(), "socket");
    const { file } = await bound(path);
    file.publish();
    file.unpublish();
    expect(existsSync(path)).toBe(false);
    file.unpublish();
  });

  test("leaves it to a successor who has replaced it", async () => {
    const path = join(scratch(), "socket");
    const [old, successor] = [await bound(path), await bound(`${path}.new`)];
    old.file.publish();
    successor.file.publish();
    renameSync(`${path}.new`, path);
    old.file.unpublish();
    expect(lstatSync(path).isSocket()).toBe(true);
    rmSync(path);
  });

  test("that cannot look at the name says why", async () => {
    const folder = scratch();
    writeFileSync(join(folder, "file"), "");
    const file = new SocketFile(join(folder, "file", "socket"));
    expect(() => file.unpublish()).toThrow(expect.objectContaining({ code: "ENOTDIR" }) as Error);
  });
});

test("a file is needed for what is one: not for abstract sockets, nor where somebody else binds", () => {
  expect(SocketFile.isNeededFor("/run/socket")).toBe(true);
  expect(SocketFile.isNeededFor("\0abstract")).toBe(false);
  vi.spyOn(cluster, "isWorker", "get").mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(SocketFile.isNeededFor("/run/socket")).toBe(false);
});

/** The name of a Unix socket, as long as it is ours. */
import cluster from "node:cluster";
import { once } from "node:events";
import { existsSync, lstatSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { limitOfPath, SocketFile } from "../../src/listen/socket-file.js";
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

describe("an error", () => {
  /** What is thrown, about the name that was asked for. */
  function explained(file: SocketFile, act: () => void): unknown {
    try {
      act();
    } catch (error) {
      return file.explain(error);
    }
    throw new Error("nothing was thrown");
  }

  test("of a name that is taken is EADDRINUSE as Node says it; the file is left alone, and so is nothing of ours", async () => {
    const path = join(scratch(), "socket");
    writeFileSync(path, "somebody else's");
    const { file, folder } = await bound(path);
    expect(explained(file, () => file.publish())).toMatchObject({
      message: `listen EADDRINUSE: address already in use ${path}`,
      code: "EADDRINUSE",
      syscall: "listen",
      address: path,
    });
    file.unpublish();
    expect(readdirSync(folder)).toEqual(["socket"]);
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("of the system is the system's, about the name that was asked for and not about ours", () => {
    const path = join(scratch(), "inner", "socket");
    const file = new SocketFile(path);
    const error = explained(file, () => file.publish());
    expect(error).toMatchObject({
      message: `listen ENOENT: no such file or directory ${path}`,
      code: "ENOENT",
      address: path,
    });
    expect(inspect(error)).not.toContain(basename(file.boundPath));
  });

  test("that is none of the system's stays what it is", () => {
    const error = new Error("on purpose");
    expect(new SocketFile("/run/socket").explain(error)).toBe(error);
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

test("there is a file for what is one: not for abstract sockets, nor where somebody else binds", () => {
  expect(SocketFile.for("/run/socket")?.path).toBe("/run/socket");
  expect(SocketFile.for("\0abstract")).toBe(undefined);
  vi.spyOn(cluster, "isWorker", "get").mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(SocketFile.for("/run/socket")).toBe(undefined);
});

describe.skipIf(process.platform === "win32")("the length of a path", () => {
  const limit = process.platform === "linux" ? 107 : 103;

  test("is what clients can connect to, in bytes; an abstract one has a zero byte in front", () => {
    const umlauts = "ü".repeat(Math.ceil(limit / 2));
    expect(["a".repeat(limit), `\0${"a".repeat(limit)}`].map(limitOfPath)).toEqual([undefined, undefined]);
    expect(["a".repeat(limit + 1), umlauts, `\0${"a".repeat(limit + 1)}`].map(limitOfPath)).toEqual([
      limit,
      limit,
      limit + 1,
    ]);
  });

  test("leaves no room for a private name when that would be longer: the asked one is bound then", () => {
    const folder = `/${"a".repeat(limit - 3)}`;
    expect(SocketFile.for(`${folder}/s`)).toBe(undefined);
    expect(SocketFile.for(`${folder.slice(4)}/s`)).not.toBe(undefined);
  });
});

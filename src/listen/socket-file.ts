/** The name of a Unix socket. */
import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, rmSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";

/**
 * A Unix socket's name in the file system, ours as long as nobody else has taken it over.
 *
 * libuv unlinks the name that it bound when the socket closes, whoever owns that name by then: a successor that has
 * replaced the file would lose it. So libuv binds a name of its own, which vanishes at once, and the name that was
 * asked for is a link which is only removed while it still is ours.
 */
export class SocketFile {
  readonly path: string;
  readonly boundPath: string;
  #inode: bigint | undefined;

  constructor(path: string) {
    this.path = path;
    // No longer than the name that was asked for, where that can be: the system takes about 100 bytes of path.
    const length = Math.min(12, Math.max(4, basename(path).length - 1));
    this.boundPath = join(dirname(path), `.${randomBytes(6).toString("hex").slice(0, length)}`);
  }

  /** Abstract sockets and Windows pipes are no files; in a cluster the primary binds. */
  static isNeededFor(path: string): boolean {
    return !path.startsWith("\0") && process.platform !== "win32" && !cluster.isWorker;
  }

  /** Gives the bound socket its name. Fails, as binding would, when the name is taken. */
  publish(): void {
    try {
      linkSync(this.boundPath, this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw Object.assign(new Error(`listen EADDRINUSE: address already in use ${this.path}`), {
        code: "EADDRINUSE",
        errno: -constants.errno.EADDRINUSE,
        syscall: "listen",
        address: this.path,
      });
    } finally {
      rmSync(this.boundPath, { force: true });
    }
    this.#inode = lstatSync(this.path, { bigint: true }).ino;
  }

  /** Removes the name, unless it is somebody else's by now. The inode is ours while the socket is open. */
  unpublish(): void {
    try {
      if (lstatSync(this.path, { bigint: true }).ino === this.#inode) unlinkSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** The name of a Unix socket. */
import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, rmSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";

/** Bytes of a path that every client can connect to: a zero byte stands behind it in `sockaddr_un`. */
const MAX_PATH = process.platform === "linux" || process.platform === "android" ? 107 : 103;

/**
 * How many bytes a Unix socket's path may have, when this one has more. Node cuts a longer one off without a word, or
 * says EINVAL. An abstract one begins with its zero byte, and Windows' pipes are none of these.
 */
export function limitOfPath(path: string): number | undefined {
  const limit = path.startsWith("\0") ? MAX_PATH + 1 : MAX_PATH;
  return process.platform !== "win32" && Buffer.byteLength(path) > limit ? limit : undefined;
}

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

  /**
   * The file for a path, where there is to be one. Abstract sockets and Windows pipes are no files; in a cluster the
   * primary binds. Where only the name that was asked for is short enough for the system, it is bound itself.
   */
  static for(path: string): SocketFile | undefined {
    if (path.startsWith("\0") || process.platform === "win32" || cluster.isWorker) return undefined;
    const file = new SocketFile(path);
    return limitOfPath(file.boundPath) === undefined ? file : undefined;
  }

  /** Gives the bound socket its name. Fails, as binding would, when the name is taken. */
  publish(): void {
    try {
      linkSync(this.boundPath, this.path);
    } finally {
      rmSync(this.boundPath, { force: true });
    }
    this.#inode = lstatSync(this.path, { bigint: true }).ino;
  }

  /** What the system says about the private name, said about the one that was asked for, as Node would. */
  explain(error: unknown): unknown {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) return error;
    const said = errno === -constants.errno.EEXIST ? -constants.errno.EADDRINUSE : errno;
    const [code, text] = getSystemErrorMap().get(said) ?? ["UNKNOWN", "unknown error"];
    return Object.assign(new Error(`listen ${code}: ${text} ${this.path}`), {
      code,
      errno: said,
      syscall: "listen",
      address: this.path,
    });
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

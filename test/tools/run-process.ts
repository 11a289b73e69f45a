/** A Node process that a test runs and that is gone when the test is. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  /** The exit code, or the signal that killed it. */
  exit: number | NodeJS.Signals;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  /** Resolves when the output contains a match, with that; rejects when the process ends without one. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  ended: Promise<Ended>;
}

/** Starts `node` with these arguments, in the repository. Needs the built package: `npm test` makes it. */
export function startNode(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => (stdout += data));
  const stderr = text(child.stderr);
  const ended = once(child, "close").then(
    async ([code, signal]: (number | NodeJS.Signals)[]): Promise<Ended> => ({
      exit: code ?? signal!,
      stdout,
      stderr: await stderr,
    }),
  );

  async function printed(pattern: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void ended.then(() => (over = true));
    for (;;) {
      const match = pattern.exec(stdout);
      if (match !== null) return match;
      if (over) throw new Error(`It ended without printing ${pattern}:\n${stdout}\n${await stderr}`);
      await Promise.race([once(child.stdout, "data"), ended]);
    }
  }

  return { child, printed, ended };
}

/** Runs `node` with these arguments to its end. */
export function runNode(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return startNode(args, env).ended;
}

/** Whether a process of that id runs. One that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Its new parent, in a container, may never look.
    if (!existsSync("/proc/self/stat")) return true;
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

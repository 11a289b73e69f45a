/** A server that the drill starts: how it ends, what it prints, and that nothing of it is left. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { CommandServer } from "../../../src/drill/servers/command.js";
import { isAlive } from "../../tools/run-process.js";
import { eventually } from "../../tools/serve.js";

async function start(
  command: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<CommandServer> {
  const server = await CommandServer.start({ command, env, signal });
  onTestFinished(() => server.dispose());
  return server;
}

/** A shell that runs these lines. */
function shell(...lines: string[]): Promise<CommandServer> {
  return start(["/bin/sh", "-c", lines.join("\n")]);
}

async function printed(server: CommandServer, line: string): Promise<void> {
  await eventually(() => server.output().includes(line));
}

/** The process id that a shell has printed. */
async function printedPid(server: CommandServer): Promise<number> {
  await eventually(() => server.output().length > 0);
  return Number(server.output()[0]);
}

describe.skipIf(!existsSync("/proc"))("a command that is paused", () => {
  const isStopped = (pid: number) => / T /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

  it("stands still with all that it has started, until it is resumed", async () => {
    const server = await shell("sleep 600 & echo $!; wait");
    const pids = [server.pid!, await printedPid(server)];
    expect(server.pause()).toBe(true);
    await eventually(() => pids.every(isStopped));
    server.resume();
    await eventually(() => !pids.some(isStopped));
  });

  it("is disposed of where it stands, and is not there afterwards", async () => {
    const server = await start(["sleep", "600"]);
    server.pause();
    await server.dispose();
    expect(server.exit).toMatchObject({ signal: "SIGKILL" });
    expect(server.pause()).toBe(false);
    server.resume();
  });
});

describe("a command", () => {
  it("runs without a shell, with its arguments and its environment", async () => {
    const program = "console.log(process.argv[1], process.env.GREETING)";
    const server = await start([process.execPath, "-e", program, "a b; exit 5"], { GREETING: "hello $HOME" });
    const { code, signal, at } = await server.exited;
    expect({ code, signal }).toEqual({ code: 0, signal: undefined });
    expect(performance.now() - at).toBeLessThan(10_000);
    expect(await server.lastWords()).toBe("It printed: a b; exit 5 hello $HOME");
    expect(server).toMatchObject({ hasProcess: true, isChild: true });
  });

  it("that is not there, or may not be executed, is told so", async () => {
    const refused = (command: string[]) =>
      CommandServer.start({ command, env: process.env, signal: "SIGTERM" });
    await expect(refused(["no-such-program", "--port", "5"])).rejects.toMatchObject({
      code: "LASTCALL_DRILL_START",
      message:
        "The command 'no-such-program --port 5' does not start: there is no such program. Give a program and its arguments behind '--'.",
    });
    const folder = mkdtempSync(join(tmpdir(), "lastcall-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "server");
    writeFileSync(path, "#!/bin/sh\n");
    chmodSync(path, 0o644);
    await expect(refused([path])).rejects.toThrow("does not start: it may not be executed.");
    await expect(refused(["a\0b"])).rejects.toMatchObject({ code: "LASTCALL_DRILL_START" });
    await expect(refused([])).rejects.toMatchObject({ code: "LASTCALL_DRILL_START" });
  });

  it("ends with a code, or by a signal", async () => {
    const failed = await shell("exit 3");
    expect(await failed.exited).toMatchObject({ code: 3, signal: undefined });
    const killed = await shell("kill -SEGV $$");
    expect(await killed.exited).toMatchObject({ code: undefined, signal: "SIGSEGV" });
    expect(killed.exit).toEqual(await killed.exited);
  });
});

describe("the signal", () => {
  it("is sent to the process alone, and not to what it has started", async () => {
    const server = await shell(
      "(trap 'echo child' TERM; sleep 600 & wait) &",
      "trap 'exit 7' TERM",
      "echo up",
      "wait",
    );
    await printed(server, "up");
    expect(server.stop()).toBe(true);
    expect(await server.exited).toMatchObject({ code: 7 });
    await server.told;
    expect(server.hasOrphans()).toBe(true);
    await server.dispose();
    expect(server.output()).toEqual(["up"]);
  });

  it("is the one that was asked for", async () => {
    const server = await start(
      ["/bin/sh", "-c", "trap 'exit 9' INT; echo up; while :; do sleep 0.01; done"],
      process.env,
      "SIGINT",
    );
    await printed(server, "up");
    server.stop();
    expect(await server.exited).toMatchObject({ code: 9 });
  });

  it("finds nobody when the process has ended before", async () => {
    const server = await shell("exit 0");
    await server.exited;
    expect(server.stop()).toBe(false);
  });
});

describe("what it prints", () => {
  it("is kept in its last lines, and read before its last words are told", async () => {
    const server = await shell(
      "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo line $n; done; exit 1",
    );
    await server.exited;
    expect(await server.lastWords()).toBe("It printed: line 20 / line 21 / line 22");
    expect(server.output()).toHaveLength(20);
  });

  it("is told as far as it is known while the process runs", async () => {
    const server = await shell("echo up; exec sleep 600");
    await printed(server, "up");
    const began = performance.now();
    expect(await server.lastWords()).toBe("It printed: up");
    expect(performance.now() - began).toBeLessThan(400);
  });
});

describe("what it has started", () => {
  it("is seen when it outlives the command, and not before that has ended", async () => {
    const server = await shell("sleep 600 & echo $!; exit 0");
    const pid = await printedPid(server);
    await server.exited;
    expect(server.hasOrphans()).toBe(true);
    expect(isAlive(pid)).toBe(true);
    const running = await shell("exec sleep 600");
    expect(running.hasOrphans()).toBe(false);
  });

  it("is gone with it, whatever its state: children, grandchildren, and those that ignore signals", async () => {
    const server = await shell(
      "trap '' TERM",
      "/bin/sh -c 'trap \"\" TERM; sleep 600 & echo $!; wait' &",
      "wait",
      "exec sleep 600",
    );
    const pid = await printedPid(server);
    server.stop();
    expect(isAlive(pid)).toBe(true);
    await server.dispose();
    await eventually(() => !isAlive(pid));
    expect(server.exit).toMatchObject({ code: undefined, signal: "SIGKILL" });
    // A second time there is nothing to do.
    await server.dispose();
  });

  it("is gone with the drill, when that is ended without more ado", async () => {
    const url = new URL("../../../dist/drill/servers/command.js", import.meta.url);
    const program = `
      import { CommandServer } from ${JSON.stringify(url.href)};
      const command = ["/bin/sh", "-c", "sleep 600 & echo $! $$; wait"];
      const server = await CommandServer.start({ command, env: process.env, signal: "SIGTERM" });
      while (server.output().length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      process.stdout.write(server.output()[0], () => process.exit(4));`;
    const drill = spawn(process.execPath, ["--input-type=module", "-e", program], {
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let pids = "";
    drill.stdout.setEncoding("utf8").on("data", (data: string) => (pids += data));
    const [code] = (await once(drill, "close")) as [number];
    expect(code).toBe(4);
    expect(pids).toMatch(/^\d+ \d+$/);
    for (const pid of pids.split(" ")) await eventually(() => !isAlive(Number(pid)));
  });

  it("leaves no listener on this process", async () => {
    const before = process.listenerCount("exit");
    const [one, two] = [await shell("exit 0"), await shell("exit 0")];
    expect(process.listenerCount("exit")).toBe(before + 1);
    await one.dispose();
    expect(process.listenerCount("exit")).toBe(before + 1);
    await two.dispose();
    expect(process.listenerCount("exit")).toBe(before);
  });
});

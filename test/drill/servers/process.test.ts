/** A server that runs already and whose process is known by its id. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { KnownProcess } from "../../../src/drill/servers/process.js";
import { eventually, noTimers } from "../../tools/serve.js";

/** A shell of the test's that runs this, and the first line that it prints. */
async function run(line: string): Promise<{ child: ChildProcess; pid: number; printed: string }> {
  const child = spawn("/bin/sh", ["-c", line], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const [data] = (await once(child.stdout, "data")) as [Buffer];
  return { child, pid: child.pid!, printed: data.toString().trim() };
}

function known(pid: number, signal: NodeJS.Signals = "SIGTERM"): KnownProcess {
  const server = new KnownProcess(pid, signal);
  onTestFinished(() => server.dispose());
  return server;
}

describe("a process", () => {
  it("gets the signal, and is seen to end; nothing else is known of it", async () => {
    const { child, pid } = await run("trap 'exit 5' USR2; echo up; while :; do sleep 0.01; done");
    const server = known(pid, "SIGUSR2");
    expect(server).toMatchObject({ pid, hasProcess: true, isChild: false });
    const began = performance.now();
    expect(server.stop()).toBe(true);
    await server.told;
    const exit = await server.exited;
    expect(exit).toMatchObject({ code: undefined, signal: undefined });
    expect(exit.at).toBeGreaterThan(began);
    await eventually(() => child.exitCode === 5);
    expect(server.output()).toEqual([]);
    expect(server.hasOrphans()).toBe(false);
  });

  it.skipIf(!existsSync("/proc"))("that has started others is told from one that has not", async () => {
    const shell = known((await run("sleep 600 & trap 'kill $!; exit 0' TERM; echo up; wait")).pid);
    expect(shell.hadChildren).toBe(false);
    shell.stop();
    expect(shell.hadChildren).toBe(true);
    await shell.exited;
    const alone = known((await run("echo up; exec sleep 600")).pid);
    alone.stop();
    expect(alone.hadChildren).toBe(false);
    await alone.exited;
  });

  it.skipIf(!existsSync("/proc"))("stands still until it is resumed, also by its disposal", async () => {
    const { pid } = await run("echo up; while :; do sleep 0.01; done");
    const server = known(pid);
    const isStopped = () => / T /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    server.resume();
    expect(server.pause()).toBe(true);
    await eventually(isStopped);
    server.resume();
    await eventually(() => !isStopped());
    server.pause();
    await eventually(isStopped);
    await server.dispose();
    await eventually(() => !isStopped());
  });

  it("that there is not is refused", async () => {
    const { child, pid } = await run("echo up; exec sleep 600");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(() => known(pid)).toThrow(
      expect.objectContaining({
        code: "LASTCALL_DRILL_START",
        message: `There is no process with the id ${pid}. Give the id of the server that listens at the address.`,
      }),
    );
  });

  it("that ends right before its signal was not told to stop", async () => {
    const { child, pid } = await run("echo up; exec sleep 600");
    const server = known(pid);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(server.stop()).toBe(false);
    await server.exited;
  });

  it("that may not be told is an error of the drill's, with what to do", async () => {
    const { pid } = await run("echo up; exec sleep 600");
    const server = known(pid);
    const denied = Object.assign(new Error("kill EPERM"), { code: "EPERM" });
    const kill = vi.spyOn(process, "kill").mockImplementation(() => {
      throw denied;
    });
    onTestFinished(() => kill.mockRestore());
    expect(() => server.stop()).toThrow(
      expect.objectContaining({
        code: "LASTCALL_DRILL_STOP",
        message: `The process ${pid} cannot be sent SIGTERM: kill EPERM. Run the drill as a user who may.`,
        cause: denied,
      }),
    );
    // It is there, though: it is somebody else's.
    expect(() => known(pid)).not.toThrow();
  });

  it("is left alone when the drill is over", async () => {
    const { child, pid } = await run("echo up; exec sleep 600");
    const timers = await noTimers();
    const server = known(pid);
    expect(timers()).toBe(1);
    await server.dispose();
    expect(timers()).toBe(0);
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  });

  it.skipIf(!existsSync("/proc/self/stat"))(
    "that its parent does not notice to end has ended all the same",
    async () => {
      // The program that takes the shell's place does not wait for the shell's child.
      const { pid, printed } = await run("sleep 600 & echo $!; exec sleep 600");
      // Until then it is the shell, which does wait.
      await eventually(() => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n");
      const server = known(Number(printed));
      server.stop();
      await server.exited;
      expect(process.kill(Number(printed), 0)).toBe(true);
    },
  );
});

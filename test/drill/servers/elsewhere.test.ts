/** A server that runs somewhere and is stopped by a command of the user's, or by a function. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServerElsewhere } from "../../../src/drill/servers/elsewhere.js";
import { isAlive } from "../../tools/run-process.js";
import { scratch } from "../../tools/scratch.js";
import { eventually, gate } from "../../tools/serve.js";

function elsewhere(stop: string | (() => unknown)): ServerElsewhere {
  const server = new ServerElsewhere(stop, join(scratch(), "output"));
  server.failed.catch(() => {});
  onTestFinished(() => server.dispose());
  return server;
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    promise.then(() => true),
    new Promise<false>((resolve) => setImmediate(resolve, false)),
  ]);
}

/** The process id that it has printed. */
async function printedPid(server: ServerElsewhere): Promise<number> {
  await eventually(() => server.output().length > 0);
  return Number(server.output()[0]);
}

it("a server elsewhere cannot be paused", () => {
  const server = elsewhere(() => {});
  expect(server.pause()).toBe(false);
  expect(server.resume()).toBeUndefined();
});

describe("a server elsewhere", () => {
  it("has no process that anybody knows", () => {
    const server = elsewhere("true");
    expect(server).toMatchObject({ pid: undefined, hasProcess: false, isChild: false });
    expect(server.hasOrphans()).toBe(false);
    expect(server.output()).toEqual([]);
  });
});

describe("a shell command", () => {
  it("stops it, and has told it to stop when it has ended", async () => {
    const note = join(scratch(), "note");
    const server = elsewhere(`echo stopping; echo a && echo stopped > ${note}`);
    expect(server.stop()).toBe(true);
    await server.told;
    expect(readFileSync(note, "utf8")).toBe("stopped\n");
    await eventually(() => server.output().length > 1);
    expect(server.output()).toEqual(["stopping", "a"]);
  });

  it.each([
    ["exit 5", /ended with 5\. It printed nothing\.$/],
    ["echo no such unit >&2; exit 4", /ended with 4\. It printed: no such unit$/],
    ["kill -KILL $$", /ended with SIGKILL\. It printed nothing\.$/],
    ["no-such-program-at-all", /ended with 127\. It printed: .*not found/],
  ])("that fails is an error of the drill's: %s", async (line, rest) => {
    const server = elsewhere(line);
    server.stop();
    const error: unknown = await server.failed.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "LASTCALL_DRILL_STOP" });
    const { message } = error as Error;
    expect(message.startsWith(`The command '${line}', which should stop the server, `)).toBe(true);
    expect(message).toMatch(rest);
    expect(await isSettled(server.told)).toBe(false);
  });

  it("that runs when the drill is over is ended, with what it has started", async () => {
    const server = elsewhere("sleep 600 & echo $!; wait");
    server.stop();
    const pid = await printedPid(server);
    expect(await isSettled(server.told)).toBe(false);
    await server.dispose();
    await eventually(() => !isAlive(pid));
    await server.dispose();
  });

  it("has ended with its shell; what it leaves in the background is left alone, and may print on", async () => {
    const note = join(scratch(), "note");
    const background = `trap 'echo on && echo here > ${note}; exit' USR1; echo \\$\\$; while :; do sleep 0.01; done`;
    const server = elsewhere(`/bin/sh -c "${background}" &`);
    server.stop();
    await server.told;
    const pid = await printedPid(server);
    await server.dispose();
    process.kill(pid, "SIGUSR1");
    await eventually(() => existsSync(note));
    await eventually(() => !isAlive(pid));
  });
});

describe("a function", () => {
  it("stops it, and is waited for", async () => {
    const stopping = gate();
    const server = elsewhere(() => stopping.passed);
    expect(server.stop()).toBe(true);
    expect(await isSettled(server.told)).toBe(false);
    stopping.open();
    await server.told;
    await server.dispose();
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("not connected");
      },
    ],
    ["rejects", () => Promise.reject(new Error("not connected"))],
  ])("that %s is an error of the drill's", async (_, stop) => {
    const server = elsewhere(stop);
    server.stop();
    await expect(server.failed).rejects.toMatchObject({
      code: "LASTCALL_DRILL_STOP",
      message: "The function that should stop the server threw: not connected.",
      cause: new Error("not connected"),
    });
  });
});

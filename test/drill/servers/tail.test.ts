/** The end of what a process prints. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { Tail } from "../../../src/drill/servers/tail.js";
import { bound } from "../../tools/timing.js";
import { noTimers } from "../../tools/serve.js";

/** What is left of what this program of Node prints. */
async function tailOf(program: string): Promise<Tail> {
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "pipe"] });
  const tail = new Tail(child);
  await once(child, "close");
  return tail;
}

describe("the last lines", () => {
  it("are those of both streams, without empty ones, whatever ends them", async () => {
    const tail = await tailOf(
      `console.log("one\\n\\n  \\ntwo\\r"); process.stdout.write("", () => console.error("three"))`,
    );
    expect(tail.lines()).toEqual(expect.arrayContaining(["one", "two", "three"]));
    expect(tail.lines()).toHaveLength(3);
  });

  it("are twenty, of 16 KiB, however much there is", async () => {
    const many = await tailOf(`for (let n = 1; n <= 5000; n++) console.log("line " + n)`);
    expect(many.lines()).toHaveLength(20);
    expect(many.lines().at(-1)).toBe("line 5000");
    const long = await tailOf(`for (let n = 0; n < 50; n++) process.stdout.write("x".repeat(10_000))`);
    expect(long.lines().join("").length).toBeLessThanOrEqual(16 * 1024);
    expect(long.lines().join("").length).toBeGreaterThan(10_000);
  });

  it("keep a character whole that comes in two parts", async () => {
    const tail = await tailOf(
      `const [a, b] = [Buffer.from([0xc3]), Buffer.from([0xb6])];
       process.stdout.write(a, () => setTimeout(() => process.stdout.write(b), 20));`,
    );
    expect(tail.lines()).toEqual(["ö"]);
  });

  it("are one sentence for an error", async () => {
    expect((await tailOf("")).sentence()).toBe("It printed nothing.");
    expect((await tailOf(`console.log("a\\nb\\nc\\nd")`)).sentence()).toBe("It printed: b / c / d");
  });
});

describe("the rest of the output", () => {
  it("is there when the pipes are closed, and leaves no timer", async () => {
    const timers = await noTimers();
    const tail = await tailOf(`console.log("last")`);
    await tail.rest();
    expect(timers()).toBe(0);
    expect(tail.lines()).toEqual(["last"]);
  });

  it("is waited for a moment when others hold the pipes", async () => {
    const child = spawn("/bin/sh", ["-c", "sleep 600 & echo $!; exit 0"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const tail = new Tail(child);
    await once(child, "exit");
    const began = performance.now();
    await tail.rest();
    const waited = performance.now() - began;
    expect(waited).toBeGreaterThanOrEqual(490);
    expect(waited).toBeLessThan(bound(500));
    tail.end();
    process.kill(Number(tail.lines()[0]), "SIGKILL");
  });
});

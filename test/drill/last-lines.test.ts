/** What is quoted of what a process has printed. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { endingOf, lastLines, saying } from "../../src/drill/last-lines.js";
import { scratch } from "../tools/scratch.js";

/** What Node prints of a program that ends by an error. */
function printed(program: string, name = "server.mjs"): string {
  const path = join(scratch(), name);
  writeFileSync(path, program);
  return spawnSync(process.execPath, [path], { encoding: "utf8" }).stderr;
}

const DEEP = `const fail = (depth) => { if (depth > 0) return fail(depth - 1); throw new Error("no DATABASE_URL"); };
fail(20);`;

describe("an error message quotes", () => {
  it("the error's own line, and none of its stack, of a program that throws", () => {
    expect(saying(printed(DEEP))).toBe("It printed: Error: no DATABASE_URL");
  });

  it("the error's own line of a server that cannot listen, and none of its properties", () => {
    const text = printed(`import { createServer } from "node:net"; createServer().listen(1, "203.0.113.1");`);
    expect(saying(text)).toMatch(/^It printed: Error: listen EADDRNOTAVAIL: [^/]*$/);
  });

  it("a message of several lines, and what caused it", () => {
    const missing = saying(printed(`require("./nowhere.js");`, "server.cjs"));
    expect(missing).toMatch(
      /^It printed: Error: Cannot find module '\.\/nowhere\.js' \/ Require stack: \/ - /,
    );
    const caused = printed(`throw new Error("cannot start", { cause: new TypeError("no port") });`);
    expect(saying(caused)).toBe("It printed: Error: cannot start / [cause]: TypeError: no port");
  });

  it.each([
    [
      "Python",
      `Traceback (most recent call last):\n  File "/srv/a.py", line 2, in <module>\n    f()\nRuntimeError: no database`,
      "RuntimeError: no database",
    ],
    [
      "Java",
      `Exception in thread "main" java.lang.Error: no database\n\tat a.B.c(B.java:3)\nCaused by: java.io.IOException: gone\n\tat z.Z.z(Z.java:1)\n\t... 5 more`,
      `Exception in thread "main" java.lang.Error: no database / Caused by: java.io.IOException: gone`,
    ],
    [
      "Go",
      "panic: no database\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:5 +0x18\nexit status 2",
      "panic: no database / goroutine 1 [running]: / main.main()",
    ],
    [
      "Deno, in colours",
      `\u001B[0m\u001B[1m\u001B[31merror\u001B[0m: Uncaught Error: no database\n    at \u001B[36mfile:///srv/a.ts\u001B[0m:1:7`,
      "error: Uncaught Error: no database",
    ],
    [
      "Bun under its own runner",
      `1 | throw new Error("no database")\n          ^\nerror: no database\n      at /srv/a.ts:1:11\n\nBun v1.4.5 (Linux x64)\nerror: script "start" exited with code 1`,
      "error: no database",
    ],
    [
      "Node under npm",
      `Error: no database\n    at file:///srv/a.js:1:7\n\nNode.js v20.20.2\nnpm error Lifecycle script \`start\` failed with error:\nnpm error code 1`,
      "Error: no database",
    ],
  ])("the error's own line as %s prints it", (_, text, quoted) => {
    expect(saying(text)).toBe(`It printed: ${quoted}`);
  });

  it("the last lines where nothing is an error, each from its beginning", () => {
    expect(saying("")).toBe("It printed nothing.");
    expect(saying("a\n\nb\nc\nd\n")).toBe("It printed: b / c / d");
    expect(saying(`why ${"x".repeat(1_000)}`)).toBe(`It printed: why ${"x".repeat(396)}`);
  });
});

describe("the last lines", () => {
  it("begin with the error's own line where its stack is longer than they are", () => {
    const lines = lastLines(printed(DEEP));
    expect(endingOf(lines, 8)).toHaveLength(8);
    expect(endingOf(lines, 8).slice(0, 2)).toEqual(["Error: no DATABASE_URL", "…"]);
    expect(endingOf(lines, 8).at(-1)).toBe(`Node.js ${process.version}`);
    expect(endingOf(lines, 20)).toEqual(lines);
  });

  it("are as they are where an error stands among them, or none was", () => {
    const lines = ["one", "Error: two", "three"];
    expect(endingOf(lines, 2)).toEqual(["Error: two", "three"]);
    expect(endingOf(["one", "two", "three"], 2)).toEqual(["two", "three"]);
  });
});

/** The effects file: what counts is what a server appended in this run, line by line. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EffectsFile } from "../../src/drill/effects.js";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lastcall-test-"));
  path = join(folder, "effects");
});

afterEach(() => rmSync(folder, { recursive: true }));

/** What a file of this run says in which the server wrote this. */
function read(content: string): { executions: Record<string, number>; endsWithinLine: boolean } {
  rmSync(path, { force: true });
  const file = new EffectsFile(path);
  file.begin();
  writeFileSync(path, content);
  const { executions, endsWithinLine } = file.read();
  return { executions: Object.fromEntries(executions), endsWithinLine };
}

describe("what a file says", () => {
  it("is how often each id or number stands at the beginning of a line", () => {
    expect(read("lc-7f3a-1\nlc-7f3a-2 xxxx more\n3\nlc-7f3a-1\n")).toEqual({
      executions: { "lc-7f3a-1": 2, "lc-7f3a-2": 1, "3": 1 },
      endsWithinLine: false,
    });
  });

  it("is the same with spaces, empty lines and the line ends of Windows", () => {
    expect(read("  lc-7f3a-1\r\n\r\n\n \t\nlc-7f3a-2\tmore\r\n")).toEqual({
      executions: { "lc-7f3a-1": 1, "lc-7f3a-2": 1 },
      endsWithinLine: false,
    });
  });

  it("is the first id of a line, wherever that stands, such as in a message of JSON", () => {
    expect(read('{"id":"lc-7f3a-1","n":1}\nexecuted lc-7f3a-2 after lc-7f3a-1\nx7 more\n')).toEqual({
      executions: { "lc-7f3a-1": 1, "lc-7f3a-2": 1, x7: 1 },
      endsWithinLine: false,
    });
  });

  it("is nothing when it is empty", () => {
    expect(read("")).toEqual({ executions: {}, endsWithinLine: false });
  });

  it("does not count a last line without an end, which may be half an id, and says so", () => {
    expect(read("lc-7f3a-12\nlc-7f3a-1")).toEqual({
      executions: { "lc-7f3a-12": 1 },
      endsWithinLine: true,
    });
  });

  it("wherever its server was stopped never holds an id that was not written", () => {
    const ids = fc.array(
      fc.integer({ min: 1, max: 30 }).map((n) => `lc-7f3a-${n}`),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(ids, fc.nat(), (written, at) => {
        const whole = written.map((id) => `${id}\n`).join("");
        const content = whole.slice(0, at % (whole.length + 1));
        const { executions, endsWithinLine } = read(content);
        for (const [id, count] of Object.entries(executions)) {
          expect(count).toBeLessThanOrEqual(written.filter((each) => each === id).length);
        }
        const lines = content.split("\n").length - 1;
        expect(Object.values(executions).reduce((sum, count) => sum + count, 0)).toBe(lines);
        expect(endsWithinLine).toBe(content !== "" && !content.endsWith("\n"));
      }),
    );
  });
});

describe("what stood in it before the run", () => {
  it("is not of this run", () => {
    writeFileSync(path, "lc-7f3a-1\nlc-7f3a-2\n");
    const file = new EffectsFile(path);
    file.begin();
    appendFileSync(path, "lc-7f3a-1\n");
    expect([...file.read().executions]).toEqual([["lc-7f3a-1", 1]]);
    file.begin();
    expect(file.read().executions.size).toBe(0);
  });

  it("is counted in bytes, not in characters", () => {
    writeFileSync(path, "größer als je\n");
    const file = new EffectsFile(path);
    file.begin();
    appendFileSync(path, "lc-7f3a-1 größer\n");
    expect([...file.read().executions]).toEqual([["lc-7f3a-1", 1]]);
  });

  it("may be gone when a server began the file anew", () => {
    writeFileSync(path, "lc-7f3a-1\nlc-7f3a-2\nlc-7f3a-3\n");
    const file = new EffectsFile(path);
    file.begin();
    writeFileSync(path, "");
    expect(file.read()).toEqual({ executions: new Map(), endsWithinLine: false });
  });
});

describe("a file that is missing", () => {
  it("is not there until the server makes it", () => {
    const file = new EffectsFile(path);
    file.begin();
    expect(file.exists).toBe(false);
    writeFileSync(path, "");
    expect(file.exists).toBe(true);
  });

  it("cannot be read, and neither can a folder", () => {
    expect(() => new EffectsFile(path).read()).toThrow(
      expect.objectContaining({
        code: "LASTCALL_DRILL_EFFECTS",
        message: expect.stringMatching(/^The effects file '.*effects' cannot be read: ENOENT.*\.$/),
      }),
    );
    mkdirSync(path);
    expect(() => new EffectsFile(path).begin()).toThrow(/cannot be read: it is no file\.$/);
    expect(() => new EffectsFile(path).read()).toThrow(/cannot be read: EISDIR/);
  });
});

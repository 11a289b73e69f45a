/** The account of a drill as JUnit XML, read by a parser of XML. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { junitReport } from "../../../src/drill/report/index.js";
import type { DrillResult } from "../../../src/drill/result.js";
import { launchChromium } from "../../tools/browser.js";
import { hasChromium } from "../../tools/debian.js";
import {
  badRun,
  crowdedRun,
  drillOf,
  emptyDrill,
  goodRun,
  hangingRun,
  hostileDrill,
  interruptedDrill,
} from "./sample.js";

interface Element {
  name: string;
  attributes: Record<string, string>;
  text: string;
  children: Element[];
}

it("holds no character that XML forbids", () => {
  const unseen = junitReport(hostileDrill()).match(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu);
  expect(new Set(unseen)).toEqual(new Set(["\n"]));
});

describe.skipIf(!hasChromium)("read by a parser", () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function parse(result: DrillResult): Promise<Element> {
    return page.evaluate<Element>(`(() => {
      const read = (element) => ({
        name: element.localName,
        attributes: Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value])),
        text: element.textContent,
        children: [...element.children].map(read),
      });
      return read(new DOMParser().parseFromString(${JSON.stringify(junitReport(result))}, "application/xml").documentElement);
    })()`);
  }

  it("skips a run in which nothing was at stake", async () => {
    const idle = goodRun({
      remarks: [{ kind: "nothing at stake", text: "So nothing was at stake.", count: 1 }],
    });
    const root = await parse(drillOf([idle, goodRun({ repeat: 2 })]));
    expect(root.attributes).toMatchObject({ tests: "2", failures: "0", skipped: "1" });
    const [skipped, passed] = root.children[0]!.children;
    expect(skipped!.children.map(({ name }) => name)).toEqual(["skipped", "system-out"]);
    expect(passed!.children.map(({ name }) => name)).toEqual(["system-out"]);
  });

  it("has a suite for each profile and a case for each run", async () => {
    const root = await parse(
      drillOf([goodRun(), goodRun({ repeat: 2 }), badRun({ profile: "stream" }), hangingRun()]),
    );
    expect(root.name).toBe("testsuites");
    expect(root.attributes).toMatchObject({
      tests: "4",
      failures: "2",
      errors: "0",
      skipped: "0",
      time: "1.840",
    });
    expect(
      root.children.map(({ name, attributes }) => [
        name,
        attributes["name"],
        attributes["tests"],
        attributes["failures"],
      ]),
    ).toEqual([
      ["testsuite", "pipelined", "2", "0"],
      ["testsuite", "stream", "1", "1"],
      ["testsuite", "silent-peer", "1", "1"],
    ]);
    const cases = root.children.flatMap(({ children }) => children);
    expect(cases.map(({ attributes }) => attributes)).toEqual([
      { classname: "drill.pipelined", name: "pipelined, run 1", time: "0.540" },
      { classname: "drill.pipelined", name: "pipelined, run 2", time: "0.540" },
      { classname: "drill.stream", name: "stream, run 1", time: "0.560" },
      { classname: "drill.silent-peer", name: "silent-peer, run 1", time: "30.061" },
    ]);
  });

  it("tells all findings of a failed run in its failure, remarks and output beside it", async () => {
    const run = badRun();
    const root = await parse(drillOf([run]));
    const [failure, output] = root.children[0]!.children[0]!.children;
    expect(failure!.name).toBe("failure");
    expect(failure!.attributes).toEqual({
      type: "unanswered",
      message: `${run.failures[0]!.text} (and 6 other findings)`,
    });
    for (const { kind, text } of run.failures) expect(failure!.text).toContain(`${kind}: ${text}`);
    expect(output!.name).toBe("system-out");
    for (const { text } of run.remarks) expect(output!.text).toContain(text);
    expect(output!.text).toContain("Process 4712 exited with 1, 484\u202Fms after the signal.");
    expect(output!.text).toContain("TypeError: socket is not open");
    expect(output!.text).not.toContain("[31m");
  });

  it("is never green when the drill did not pass", async () => {
    const interrupted = await parse(interruptedDrill());
    expect(interrupted.attributes).toMatchObject({ tests: "2", failures: "0", errors: "1" });
    const [error] = interrupted.children[1]!.children[0]!.children;
    expect([error!.name, error!.attributes["type"], error!.text]).toEqual([
      "error",
      "interrupted",
      "This run was interrupted: it tells what was seen until then.",
    ]);
    const empty = await parse(emptyDrill());
    expect(empty.attributes).toMatchObject({ tests: "1", failures: "0", errors: "1" });
    expect(empty.children[0]!.children[0]!.children[0]!.attributes).toEqual({
      type: "interrupted",
      message: "Interrupted: 0 of 0 requests answered in 0 runs.",
    });
  });

  it("keeps hostile text as text", async () => {
    const root = await parse(hostileDrill());
    expect(root.name).toBe("testsuites");
    expect(root.children[0]!.children[0]!.children.map(({ name }) => name)).toEqual([
      "failure",
      "system-out",
    ]);
    expect(root.children[0]!.attributes["name"]).toMatch(/^<\/script><\/style><img .*\[U\+202E\]gnp\.exe/);
  });

  it("says no more of 5 000 connections than of five", () => {
    expect(junitReport(drillOf([crowdedRun(false)])).length).toBeLessThan(2_000);
  });
});

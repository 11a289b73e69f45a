/** The account of a drill as a page. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { htmlReport } from "../../../src/drill/report/index.js";
import { profileNames } from "../../../src/drill/profiles.js";
import { launchChromium } from "../../tools/browser.js";
import { hasChromium } from "../../tools/debian.js";
import { LEAST_CONTRAST, LEAST_SHAPE_CONTRAST, open } from "./pages.js";
import {
  badRun,
  closedLoopRun,
  crowdedRun,
  drillOf,
  emptyDrill,
  goodRun,
  hangingRun,
  hostileDrill,
  interruptedDrill,
} from "./sample.js";

const good = drillOf([goodRun(), closedLoopRun()]);
const bad = drillOf([
  goodRun(),
  badRun({ profile: "late-sender" }),
  goodRun({ profile: "far" }),
  hangingRun(),
]);

it("stays under 5 MB for 20 repeats of 14 profiles with 5 000 connections, whether they fail or not", () => {
  for (const isGood of [true, false]) {
    const crowd = crowdedRun(isGood);
    const runs = profileNames.flatMap((profile) =>
      Array.from({ length: 20 }, (_, index) => ({ ...crowd, profile, repeat: index + 1 })),
    );
    const page = htmlReport(drillOf(runs));
    expect(Buffer.byteLength(page)).toBeLessThan(5_000_000);
    expect(page.match(/<details class="run"/g)).toHaveLength(20 * profileNames.length);
    // Whatever is left out: each profile has one.
    expect(page.match(/<svg class="timeline"/g)?.length).toBeGreaterThanOrEqual(profileNames.length);
    expect(page.match(/Its timeline is left out/g)?.length).toBeGreaterThan(200);
  }
}, 60_000);

it("leaves out runs that passed before it grows beyond 300, and says how many", () => {
  const runs = Array.from({ length: 1_000 }, (_, index) =>
    index === 998 ? badRun({ repeat: index + 1 }) : goodRun({ repeat: index + 1 }),
  );
  const page = htmlReport(drillOf(runs));
  expect(page.match(/<details class="run"/g)).toHaveLength(300);
  expect(page).toContain(`<details class="run" id="run-999" open>`);
  expect(page).toContain("And 700 runs more");
});

it("holds nothing that loads, runs or turns text around, whatever a server writes", () => {
  const page = htmlReport(hostileDrill());
  expect(page).not.toMatch(/<(script|img|link|iframe|object|base)\b/i);
  expect(page).not.toMatch(/\b(src|srcset|xlink:href)="/);
  expect(page).not.toMatch(/\p{Bidi_Control}/u);
  expect(new Set(page.match(/\p{Cc}/gu))).toEqual(new Set(["\n"]));
  expect([...page.matchAll(/href="([^"]*)"/g)].filter(([, target]) => !target?.startsWith("#"))).toEqual([]);
});

describe.skipIf(!hasChromium)("in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  const PASSED: Record<string, string> = { true: "Passed", false: "Unproved" };
  const drills = {
    "a good drill": good,
    "a bad drill": bad,
    "a drill that was interrupted": interruptedDrill(),
    "a drill in which nothing was at stake": drillOf([goodRun()], { atStake: false }),
    "a drill without a run": emptyDrill(),
    "a drill of 5 000 connections": drillOf([crowdedRun(false)]),
  };
  for (const [name, drill] of Object.entries(drills)) {
    it(`fits on a phone and asks nobody for anything: ${name}`, async () => {
      const page = await open(browser, htmlReport(drill), { width: 360 });
      expect(await page.locator("h1").innerText()).toBe(drill.sentence);
      const word = drill.interrupted
        ? "Interrupted"
        : drill.passed
          ? PASSED[String(drill.atStake)]
          : "Failed";
      expect(await page.locator("header .verdict").innerText()).toBe(word);
      expect(await page.title()).toContain(word);
      await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    });

    for (const colorScheme of ["light", "dark"] as const) {
      it(`has a contrast of 4.5 and more in every text, ${colorScheme}: ${name}`, async () => {
        const page = await open(browser, htmlReport(drill), { colorScheme });
        const least = await page.evaluate<{ ratio: number; texts: number }>(LEAST_CONTRAST);
        expect(least.texts).toBeGreaterThan(30);
        expect(least.ratio, JSON.stringify(least)).toBeGreaterThanOrEqual(4.5);
      });
    }
  }

  it("has a contrast of 3 and more in every shape", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await open(browser, htmlReport(bad), { colorScheme });
      const least = await page.evaluate<{ ratio: number }>(LEAST_SHAPE_CONTRAST);
      expect(least.ratio, JSON.stringify(least)).toBeGreaterThanOrEqual(3);
    }
  });

  it("is light in the light and dark in the dark, and light on paper", async () => {
    const background = "getComputedStyle(document.body).backgroundColor";
    const light = await open(browser, htmlReport(good));
    expect(await light.evaluate(background)).toBe("rgb(246, 245, 241)");
    const dark = await open(browser, htmlReport(good), { colorScheme: "dark" });
    expect(await dark.evaluate(background)).toBe("rgb(20, 23, 21)");
    await dark.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await dark.evaluate(background)).toBe("rgb(255, 255, 255)");
  });

  it("fits on paper", async () => {
    // The width of A4 without its margins.
    const page = await open(browser, htmlReport(bad), { width: 680 });
    await page.emulateMedia({ media: "print" });
    await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
    const wide =
      "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length";
    expect(await page.evaluate(wide)).toBe(0);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(680);
  });

  it("tells what came of each profile in a row", async () => {
    const page = await open(browser, htmlReport(bad));
    const cells = await page
      .locator("#profiles + .scroll tr")
      .evaluateAll((rows) =>
        rows.map((row) => (row as unknown as { innerText: string }).innerText.split(/\s*\t\s*/)),
      );
    expect(cells).toEqual([
      [
        "profile",
        "verdict",
        "sent",
        "answered",
        "cut off",
        "never started",
        "not judged",
        "what failed",
        "exit",
        "signal to exit",
      ],
      ["pipelined", "passed", "25", "25", "0", "0", "0", "–", "0", "484\u202Fms"],
      [
        "late-sender",
        "failed",
        "17",
        "7",
        "1",
        "1",
        "2",
        expect.stringMatching(/^unanswered × 3, executed but unanswered, /),
        "1",
        "484\u202Fms",
      ],
      ["far", "passed", "25", "25", "0", "0", "0", "–", "0", "484\u202Fms"],
      ["silent-peer", "failed", "25", "25", "0", "0", "0", "hang", "killed", "–"],
    ]);
  });

  it("adds repeats up", async () => {
    const slow = goodRun({ repeat: 2 });
    slow.process = { ...slow.process, exitCode: 3, exitedAt: 1_534 };
    const page = await open(browser, htmlReport(drillOf([goodRun(), slow, badRun({ repeat: 3 })])));
    const row = (await page.locator("#profiles + .scroll tbody tr").innerText()).replace(/\s+/g, " ");
    expect(row).toContain("pipelined failed 1 of 3 3 67 57");
    expect(row).toContain("0 (1×), 3 (1×), 1 (1×) 484 to 1484 ms");
  });

  it("shows failed runs first and open, passed ones folded, and leads there from the summary", async () => {
    const page = await open(browser, htmlReport(bad));
    expect(await page.locator(".run h3").allInnerTexts()).toEqual([
      "late-sender",
      "silent-peer",
      "pipelined",
      "far",
    ]);
    expect(await page.locator(".run[open] h3").allInnerTexts()).toEqual(["late-sender", "silent-peer"]);
    await page.click("text=silent-peer");
    expect(await page.evaluate("document.querySelector(':target h3').innerText")).toBe("silent-peer");
    const run = page.locator(".run").first();
    for (const { text } of bad.runs[1]!.failures) expect(await run.innerText()).toContain(text);
    expect(await run.locator("pre").innerText()).toBe(
      "Listening\nTypeError: socket is not open\n    at send (server.js:41:12)",
    );
  });

  it("blames nobody for a run that was interrupted", async () => {
    const page = await open(browser, htmlReport(interruptedDrill()));
    expect(await page.locator("h2").allInnerTexts()).toEqual(
      expect.arrayContaining(["Interrupted", "Passed runs"]),
    );
    expect(await page.locator(".verdict.failed, .wrong").count()).toBe(0);
    expect(await page.locator(".run[open] .findings").innerText()).toContain("This run was interrupted");
  });

  it("draws 40 of 5 000 connections, the troubled ones first, and says so", async () => {
    const page = await open(browser, htmlReport(drillOf([crowdedRun(false)])));
    expect(await page.locator(".timeline .row").count()).toBe(40);
    expect(await page.innerText(".run")).toContain(
      "40 of 5000 connections are drawn, the troubled ones first; 4960 are not drawn.",
    );
    await page.click("text=The same as a table");
    const names = await page.locator(".same tbody th").allInnerTexts();
    expect(names.slice(0, 3)).toEqual(["5", "10", "15"]);
    expect(names).toHaveLength(40);
  });

  it("is a document that can be read without seeing it: headings in order, tables with heads, boxes with names", async () => {
    const page = await open(browser, htmlReport(bad));
    const levels = await page.evaluate<number[]>(
      "[...document.querySelectorAll('h1, h2, h3, h4')].map((each) => Number(each.localName[1]))",
    );
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    for (const [index, level] of levels.entries())
      expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    expect(await page.locator("th:not([scope])").count()).toBe(0);
    expect(await page.locator(".scroll:not([tabindex='0'][role=region])").count()).toBe(0);
    expect(await page.locator("svg:not([aria-hidden]):not([aria-label])").count()).toBe(0);
    const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map(({ id }) => id)");
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("shows hostile text as text", async () => {
    const drill = hostileDrill();
    const page = await open(browser, htmlReport(drill), { width: 360 });
    expect(await page.locator("h1").textContent()).toBe(
      `</script></style><img src=x onerror="document.title='broken in'">'"&amp;]]>` +
        "␀␈␛[31m␡[U+0085][U+202E]gnp.exe[U+2066][U+FFFE][U+FFFF]\uFFFD ${1} `",
    );
    expect(await page.locator("img, script").count()).toBe(0);
    expect(await page.title()).toMatch(/^Failed: /);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  });

  it("would run no script even if one got in", async () => {
    const inside = htmlReport(good).replace(
      "</main>",
      "</main><script>document.title = 'broken in'</script>",
    );
    const page = await browser.newPage();
    await page.setContent(inside);
    expect(await page.title()).toMatch(/^Passed: /);
    await page.close();
  });
});

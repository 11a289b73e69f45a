/** The timeline of a run as an SVG that stands alone. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { timelineSvg } from "../../../src/drill/report/index.js";
import { launchChromium } from "../../tools/browser.js";
import { hasChromium } from "../../tools/debian.js";
import { connection, run } from "./build.js";
import { open } from "./pages.js";
import { badRun, crowdedRun, goodRun, hangingRun, hostileDrill, interruptedDrill } from "./sample.js";

function marks(svg: string, shape: string): number {
  return svg.split(`href="#mark-${shape}"`).length - 1;
}

it("draws each request that was answered at its reply, and each event of a connection", () => {
  const svg = timelineSvg(goodRun());
  // One more for the legend.
  expect(marks(svg, "answered")).toBe(26);
  expect(marks(svg, "open")).toBe(6);
  expect(marks(svg, "close")).toBe(6);
  expect(marks(svg, "close-sent")).toBe(6);
  expect(marks(svg, "fin")).toBe(11);
  expect(marks(svg, "failed") + marks(svg, "told") + marks(svg, "reset") + marks(svg, "refused")).toBe(0);
  expect(svg).toContain("Close 1012 “service restart” from the server, +470\u202Fms");
  expect(svg).toContain("lc-7f3a-1 answered, sent \u221249\u202Fms, reply +51\u202Fms, took 100\u202Fms");
});

it("gives what fails, what is allowed, resets and refusals shapes of their own", () => {
  const svg = timelineSvg(badRun());
  // A request that was answered twice fails at both replies.
  expect(marks(svg, "failed")).toBe(7 + 1);
  expect(marks(svg, "told")).toBe(4 + 1);
  expect(marks(svg, "reset")).toBe(1 + 1);
  expect(marks(svg, "refused")).toBe(2 + 1);
  expect(svg).toContain(
    "lc-7f3a-7 duplicated (fails), sent \u221249\u202Fms, reply +90\u202Fms and +130\u202Fms",
  );
});

it("draws how long a client waited in the accept queue, to its handshake or its end", () => {
  const waited = (svg: string) => svg.split(`class="wait"`).length - 1;
  expect(waited(timelineSvg(goodRun()))).toBe(0);
  const letIn = connection(1, { waited: true, connectedAt: 40, openedAt: 300 });
  const reset = connection(2, {
    waited: true,
    connectedAt: 45,
    openedAt: undefined,
    close: undefined,
    refused: "reset without an answer",
  });
  const svg = timelineSvg(run([letIn, reset]));
  expect(waited(svg)).toBe(2);
  expect(svg).toContain("Connection 1: waited in the accept queue; open at +250\u202Fms");
});

it("marks a request without a reply where its connection ended, and where it was sent", () => {
  const svg = timelineSvg(badRun());
  const drawn = svg.split("<title>lc-7f3a-2 unanswered (fails)")[1]!.split("</g>")[0]!;
  expect(drawn).toContain("sent \u221249\u202Fms, no reply until its connection was over, +163\u202Fms");
  const [, from, to] = /<path d="M([\d.]+) [\d.]+H([\d.]+)"/.exec(drawn)!;
  const places = [...drawn.matchAll(/#mark-([a-z]+)" class="[a-z]+" x="([\d.]+)"/g)];
  expect(places.map(([, shape, x]) => [shape, x])).toEqual([
    ["sent", from],
    ["failed", to],
  ]);
  expect(Number(to)).toBeGreaterThan(Number(from));
});

it("puts the connections that are to blame first", () => {
  const names = [...timelineSvg(badRun()).matchAll(/<text class="end (wrong|plain)"[^>]*>([a-z ]*\d+)</g)];
  expect(names.map(([, tone, name]) => `${name} ${tone}`)).toEqual([
    "1 wrong",
    "3 wrong",
    "newcomer 4 wrong",
    "witness 6 wrong",
    "7 wrong",
    "newcomer 5 plain",
    "2 plain",
  ]);
});

it("counts from the signal and calls it by its name; without one it counts from the load", () => {
  expect(timelineSvg(goodRun(), { signal: "SIGINT" })).toContain(">ms after SIGINT</text>");
  const { runs } = interruptedDrill();
  const svg = timelineSvg(runs[1]!);
  expect(svg).toContain(">ms of the load</text>");
  expect(svg).not.toContain("SIGTERM");
});

it("draws half a minute without an event short, and the end that the drill made", () => {
  const svg = timelineSvg(hangingRun());
  expect(svg).toContain("Nothing happened for 29\u202F558\u202Fms");
  expect(svg).toContain(">killed</text>");
  expect(svg).toMatch(/<path class="cut" d="M[\d. ]+l4-10M[\d. ]+l4-10"\/>/);
  expect(timelineSvg(goodRun())).not.toContain('class="cut"');
});

it("draws as many rows as it is told to, and says what it does not draw", () => {
  const svg = timelineSvg(crowdedRun(false), { rows: 7, width: 640 });
  expect(svg.match(/<g class="row">/g)).toHaveLength(7);
  expect(svg).toContain("7 of 5000 connections are drawn, the troubled ones first; 4993 are not drawn.");
  expect(svg).toContain(`width="640"`);
});

it("draws a busy connection's failures and what was near the signal, and keeps small", () => {
  const run = goodRun();
  const [connection] = run.connections;
  const [request] = connection!.requests;
  connection!.requests = Array.from({ length: 50_000 }, (_, index) => ({
    ...request!,
    n: index,
    id: `lc-7f3a-${index}`,
    sentAt: index / 100,
    replies: index === 49_000 ? [] : [index / 100 + 5],
    failed: index === 49_000,
  }));
  const svg = timelineSvg(run);
  expect(svg.length).toBeLessThan(100_000);
  expect(svg).toContain(
    "49840 requests of the connections here are not drawn.".replace("49840", "49\u202F840"),
  );
  expect(svg).toContain("lc-7f3a-49000 ");
  expect(svg).toContain("lc-7f3a-5000 ");
});

it("has no connection to draw when none was made", () => {
  expect(timelineSvg({ ...goodRun(), connections: [] })).toContain("</svg>");
});

describe.skipIf(!hasChromium)("in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  it("is an XML document with a title and a description, whatever a server writes", async () => {
    for (const run of [goodRun(), badRun(), hangingRun(), ...hostileDrill().runs]) {
      const page = await open(browser, timelineSvg(run), { extension: "svg" });
      expect(await page.evaluate("document.documentElement.localName")).toBe("svg");
      expect(await page.evaluate("document.getElementsByTagName('parsererror').length")).toBe(0);
      expect(await page.evaluate("document.getElementsByTagName('img').length")).toBe(0);
      expect(await page.textContent("#title")).toMatch(/^Timeline of /);
      expect(await page.textContent("#description")).toMatch(/\d+ of \d+ requests were answered\./);
    }
  });

  it("is light in the light and dark in the dark", async () => {
    const ground = "getComputedStyle(document.querySelector('rect')).fill";
    const light = await open(browser, timelineSvg(goodRun()), { extension: "svg" });
    expect(await light.evaluate(ground)).toBe("rgb(255, 254, 251)");
    const dark = await open(browser, timelineSvg(goodRun()), { extension: "svg", colorScheme: "dark" });
    expect(await dark.evaluate(ground)).toBe("rgb(27, 31, 29)");
  });

  it("keeps every text inside, and no two texts over each other", async () => {
    for (const run of [goodRun(), badRun(), hangingRun(), crowdedRun(false)]) {
      const page = await open(browser, timelineSvg(run), { extension: "svg", width: 800 });
      const overlaps = await page.evaluate(`(() => {
        const texts = [...document.querySelectorAll("text")].filter((text) => text.textContent !== "");
        const boxes = texts.map((text) => ({ text: text.textContent, ...text.getBoundingClientRect().toJSON() }));
        const isOutside = ({ left, right }) => left < 0 || right > 800;
        const meet = (one, other) => one.left < other.right && other.left < one.right &&
          one.top + 3 < other.bottom && other.top + 3 < one.bottom;
        return boxes.flatMap((one, index) => [
          ...(isOutside(one) ? [one.text + " is outside"] : []),
          ...boxes.slice(index + 1).filter((other) => meet(one, other)).map((other) => one.text + " meets " + other.text),
        ]);
      })()`);
      expect(overlaps).toEqual([]);
    }
  });
});

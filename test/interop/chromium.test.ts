/** The scenario with a page in headless Chromium. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchChromium } from "../tools/browser.js";
import { hasChromium } from "../tools/debian.js";
import { CONNECTIONS, repeatedly, REQUESTS, Scenario } from "../tools/scenario.js";
import { drainFor, expectAllServed, MODES, type Mode, type Run, type Seen } from "./outcomes.js";

describe.skipIf(!hasChromium)("a page in Chromium", () => {
  const pages = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(readFileSync(new URL("page.html", import.meta.url)));
  });
  let origin: string;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    pages.listen(0, "127.0.0.1");
    await once(pages, "listening");
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(origin);
  });

  afterAll(async () => {
    await browser?.close();
    pages.closeAllConnections();
    pages.close();
  });

  async function run(mode: Mode): Promise<Run> {
    const scenario = await Scenario.listen({ origins: [origin], drain: drainFor(mode) });
    const call = `scenario(${JSON.stringify(mode)}, ${scenario.port}, ${CONNECTIONS}, ${REQUESTS})`;
    const seen = page.evaluate<Seen[]>(call);
    // A page cannot see a Pong. The first request of each connection is in hand; of the others a browser may still
    // hold some back, and they have to be served as well.
    await scenario.until(() => scenario.started.length >= CONNECTIONS);
    const stopped = await scenario.stop();
    return { stopped, seen: await seen };
  }

  it.each(MODES)("gets 25 of 25 %s requests served, and is closed cleanly", async (mode) => {
    const runs = await repeatedly(() => run(mode));
    expectAllServed(`Chromium, ${mode}`, runs);
  });

  it("is refused when it comes from another origin", async () => {
    const scenario = await Scenario.listen({ origins: ["http://127.0.0.1:1"] });
    const seen = await page.evaluate<Seen[]>(`scenario("pipelined", ${scenario.port}, 1, 1)`);
    expect(seen).toEqual([{ replies: [], code: 1006, reason: "", wasClean: false }]);
    expect(scenario.started).toEqual([]);
  });
});

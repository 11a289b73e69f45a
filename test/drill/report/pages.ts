/** Reports in headless Chromium: opened from a file, as people open them, with everything noted that goes wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";

interface View {
  width?: number;
  colorScheme?: "light" | "dark";
  /** Of the file. */
  extension?: string;
}

/** What went wrong on a page since a file was opened in it. */
interface Watched {
  page: Page;
  address: string;
  wrong: string[];
}

/** One page of each browser, which shows one file after the other: to start another takes a second. */
const pages = new WeakMap<Browser, Promise<Watched>>();

async function watch(browser: Browser): Promise<Watched> {
  const page = await browser.newPage();
  const watched: Watched = { page, address: "", wrong: [] };
  page.on("pageerror", (error) => watched.wrong.push(String(error)));
  page.on("console", (message) => watched.wrong.push(message.text()));
  page.on("dialog", (dialog) => {
    watched.wrong.push(dialog.message());
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== watched.address) watched.wrong.push(request.url());
  });
  return watched;
}

/**
 * Opens a file with this content, in place of the one before. Any error on the console, and any request but the one for
 * the file, fails the test.
 */
export async function open(browser: Browser, content: string, view: View = {}): Promise<Page> {
  const { width = 1280, colorScheme = "light", extension = "html" } = view;
  const folder = mkdtempSync(join(tmpdir(), "lastcall-"));
  const file = join(folder, `report.${extension}`);
  writeFileSync(file, content);
  const watching = pages.get(browser) ?? watch(browser);
  pages.set(browser, watching);
  const watched = await watching;
  const { page } = watched;
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
    expect(watched.wrong.splice(0)).toEqual([]);
  });
  await page.setViewportSize({ width, height: 800 });
  await page.emulateMedia({ media: null, colorScheme });
  watched.address = pathToFileURL(file).href;
  await page.goto(watched.address);
  return page;
}

/** WCAG's, and the ratio of two. */
const LUMINANCE = `
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = parse(colour).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratioOf = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);`;

/** The least contrast of any text that can be seen, and the text, against what lies behind it. */
export const LEAST_CONTRAST = `(() => {
  ${LUMINANCE}
  const isClear = (colour) => colour === "transparent" || parse(colour)[3] === 0;
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!isClear(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (const details of document.querySelectorAll("details")) details.open = true;
  let least = { ratio: Infinity, text: "", colour: "" };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text === "" || element.localName === "title" || !element.checkVisibility()) continue;
    texts++;
    const style = getComputedStyle(element);
    const colour = element.localName === "text" ? style.fill : style.color;
    const ratio = ratioOf(luminance(colour), luminance(behind(element)));
    if (ratio < least.ratio) least = { ratio, text, colour };
  }
  return { ...least, texts };
})()`;

/** The least contrast of any shape of a timeline, against the band that lies behind most of them. */
export const LEAST_SHAPE_CONTRAST = `(() => {
  ${LUMINANCE}
  const band = luminance(getComputedStyle(document.querySelector(".life")).fill);
  let least = { ratio: Infinity, shape: "" };
  for (const shape of document.querySelectorAll(".timeline use")) {
    const style = getComputedStyle(shape);
    const ratio = ratioOf(luminance(style.stroke === "none" ? style.fill : style.stroke), band);
    if (ratio < least.ratio) least = { ratio, shape: shape.getAttribute("href") };
  }
  return least;
})()`;

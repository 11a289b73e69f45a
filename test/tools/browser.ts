/** Debian's Chromium, headless. Whoever launches it says `describe.skipIf(!hasChromium)` and closes it. */
import { chromium as playwright, type Browser } from "playwright-core";
import { chromium } from "./debian.js";

/** No sandbox, as a container's root has none, and no word to anyone but the page. */
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launchChromium(): Promise<Browser> {
  return playwright.launch({ executablePath: chromium!, args: ARGUMENTS });
}

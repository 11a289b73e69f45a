/** How the site is made of the pages: links that work in the repository work there, and dead ones are found. */
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deadLinks } from "../../scripts/docs/dead-links.mjs";
import { gatherPages } from "../../scripts/docs/gather.mjs";
import { serveSite } from "../../scripts/docs/serve.mjs";
import { pages, readPage, rootPath } from "./pages.js";

const folder = mkdtempSync(join(tmpdir(), "lastcall-site-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the gathered pages", () => {
  const staged = `${folder}/staged/`;
  const gathered = (path: string): string => readFileSync(join(staged, path), "utf8");
  beforeAll(() => gatherPages(rootPath, staged));

  it("are all that there are, and README.md is the first", () => {
    expect(readdirSync(staged)).toEqual(expect.arrayContaining(["index.md", "changelog.md"]));
    for (const page of pages.filter((name) => name.startsWith("docs/"))) {
      expect(existsSync(join(staged, page.slice("docs/".length))), page).toBe(true);
    }
  });

  it("link to each other, with anchors", () => {
    expect(gathered("index.md")).toContain("](/getting-started.md)");
    expect(gathered("questions.md")).toContain("](/index.md#the-problem)");
    expect(gathered("hosts.md")).toContain("](#nestjs)");
  });

  it("have their pictures", () => {
    expect(gathered("index.md")).toContain("](./timeline-good.svg)");
    expect(existsSync(join(staged, "timeline-good.svg"))).toBe(true);
    expect(existsSync(join(staged, "performance/ratios.svg"))).toBe(true);
  });

  it("show the files of the repository that they link to", () => {
    expect(gathered("hosts.md")).toContain("](/source/examples/express.mjs.md)");
    expect(gathered("source/examples/express.mjs.md")).toContain('import express from "express";');
    expect(gathered("source/examples/chat.md")).toContain("## `page/index.html`");
  });

  it("say the same as those of the repository, but for their links", () => {
    const withoutLinks = (text: string): string => text.replaceAll(/\]\([^)\s]+\)/g, "]()");
    expect(withoutLinks(gathered("recipes.md"))).toBe(withoutLinks(readPage("docs/recipes.md")));
  });
});

describe("a dead link of the built site", () => {
  const site = `${folder}/site/`;
  beforeAll(() => {
    mkdirSync(`${site}api`, { recursive: true });
    writeFileSync(`${site}style.css`, "");
    writeFileSync(`${site}api/index.html`, '<h2 id="there">');
  });

  it.each([
    [
      "none",
      '<a href="/api/"><a href="api/index.html#there"><link href="/style.css"><a href="#here" id="here">',
      [],
    ],
    ["none that leads elsewhere", '<a href="https://www.rfc-editor.org/rfc/rfc6455#nowhere">', []],
    ["a page", '<a href="/nowhere.html">', ["/nowhere.html"]],
    ["an anchor of another page", '<a href="/api/#nowhere">', ["/api/#nowhere"]],
    ["an anchor of its own", '<a href="#nowhere">', ["#nowhere"]],
    ["a picture", '<img src="./nowhere.svg">', ["./nowhere.svg"]],
  ])("is found: %s", (_what, html, links) => {
    writeFileSync(`${site}index.html`, html);
    expect(deadLinks(site)).toEqual(links.map((link) => ({ page: "index.html", link })));
  });
});

it("is served to this machine, with and without .html, and nothing beside it", async () => {
  const site = `${folder}/served/`;
  mkdirSync(`${site}api`, { recursive: true });
  writeFileSync(`${folder}/secret.html`, "secret");
  for (const page of ["index", "recipes", "api/index"]) writeFileSync(`${site}${page}.html`, page);
  const server = serveSite(site, 0);
  await once(server, "listening");
  const { port, address } = server.address() as AddressInfo;
  const get = async (path: string): Promise<string | number> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: "close" } });
    const body = await response.text();
    return response.ok ? body : response.status;
  };
  const paths = [
    "/",
    "/recipes",
    "/recipes.html",
    "/api/",
    "/nowhere",
    "/../secret.html",
    "/%2e%2e/secret.html",
  ];
  const got = await Promise.all(paths.map(get));
  server.close();
  await once(server, "close");
  expect(address).toBe("127.0.0.1");
  expect(got).toEqual(["index", "recipes", "recipes", "api/index", 404, 404, 404]);
});

/** The site: pages from docs/.site/, which scripts/docs.mjs has gathered there. It loads nothing from elsewhere. */
import { existsSync, readFileSync } from "node:fs";
import { defineConfig } from "vitepress";

const apiSidebar = new URL("../.site/api/typedoc-sidebar.json", import.meta.url);

/** As GitHub makes the anchor of a heading: links with anchors work there and here. */
function slugify(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

/** Where a number and what belongs to it would be torn apart at the end of a line. */
const TORN = /(?<=\d) (?=\d{3}(?!\d)|ms\b|s\b|kB\b|KiB\b|MiB\b|B\b|%)|(?<=[≤✓✗]) (?=\d)/g;

/** Where a long name may be broken: behind a dot, before a capital, before what is in brackets. */
const SEAM = /(?<=[a-z]\.)(?=[a-zA-Z])|(?<=[a-z])(?=[A-Z])|(?<=\w)(?=\()/g;

/** Characters of a table's cell from which on it needs some width to be read. */
const SENTENCE = 45;

/** @param {import("vitepress").MarkdownRenderer} md */
function keepWordsTogether(md) {
  const text = md.renderer.rules.text;
  md.renderer.rules.text = (tokens, index, ...rest) => {
    tokens[index].content = tokens[index].content.replaceAll(TORN, "\u00a0");
    return text(tokens, index, ...rest);
  };
  const code = md.renderer.rules.code_inline;
  md.renderer.rules.code_inline = (tokens, index, ...rest) => {
    const html = code(tokens, index, ...rest);
    // In tables only, where names make columns; and not in the attributes of the element.
    return tokens[index].meta?.isInCell
      ? html.replace(/>[^<]+</, (inner) => inner.replaceAll(SEAM, "<wbr>"))
      : html;
  };
  md.core.ruler.push("cells", ({ tokens }) => {
    for (const [index, { children, content }] of tokens.entries()) {
      const cell = tokens[index - 1];
      if (cell?.type !== "td_open") continue;
      if (content.length > SENTENCE) cell.attrJoin("class", "sentence");
      for (const child of children ?? []) if (child.type === "code_inline") child.meta = { isInCell: true };
    }
  });
}

/** Whether typedoc's item is a part of the package that is imported by a name of its own. */
function isPart({ text }) {
  return ["process", "drill"].includes(text);
}

/** The sidebar that typedoc has made, with the three parts of the package beside each other. */
function apiSections() {
  if (!existsSync(apiSidebar)) return [];
  const [lastcall] = JSON.parse(readFileSync(apiSidebar, "utf8"));
  const parts = lastcall.items.filter(isPart).map((part) => ({ ...part, text: `lastcall/${part.text}` }));
  const main = { ...lastcall, items: lastcall.items.filter((item) => !isPart(item)) };
  return [main, ...parts].map((part) => ({ ...part, collapsed: false }));
}

/**
 * How much a hit of the search weighs. Long pages of results and reasons have each word somewhere: behind the guides.
 * It is sent to the page as text, so it must stand for itself.
 *
 * @param {string} id path and anchor of what was found
 */
function boostDocument(id) {
  if (/\/(?:conformance|peers|performance|decisions)(?:\.html)?(?:#|$)/.test(id)) return 0.2;
  if (/\/(?:api|source)\//.test(id)) return 0.6;
  return /\/questions(?:\.html)?(?:#|$)/.test(id) ? 1.2 : 1;
}

const sidebar = [
  {
    text: "Begin",
    items: [
      { text: "What it is", link: "/" },
      { text: "Getting started", link: "/getting-started" },
      { text: "Questions of a newcomer", link: "/questions" },
    ],
  },
  {
    text: "Write a server",
    items: [
      { text: "Recipes", link: "/recipes" },
      { text: "Testing your handler", link: "/testing" },
      { text: "Options", link: "/options" },
      { text: "Reference", link: "/reference" },
      { text: "The contract", link: "/contract" },
      { text: "What clients see", link: "/clients" },
    ],
  },
  {
    text: "Run it",
    items: [
      { text: "Hosts and proxies", link: "/hosts" },
      { text: "Deploying", link: "/deploying" },
      { text: "Logs and metrics", link: "/diagnostics" },
    ],
  },
  {
    text: "Prove it",
    items: [
      { text: "The drill", link: "/drill" },
      { text: "Other servers under the drill", link: "/peers" },
    ],
  },
  {
    text: "Judge it",
    items: [
      { text: "From ws", link: "/from-ws" },
      { text: "Performance", link: "/performance" },
      { text: "How it is proven", link: "/evidence" },
      { text: "Conformance", link: "/conformance" },
      { text: "Decisions", link: "/decisions" },
    ],
  },
  {
    text: "Project",
    collapsed: true,
    items: [
      { text: "Changelog", link: "/changelog" },
      { text: "Contributing", link: "/contributing" },
      { text: "Security", link: "/security" },
    ],
  },
];

export default defineConfig({
  title: "lastcall",
  description: "A WebSocket server for Node that loses nothing on the way down.",
  lang: "en",
  srcDir: ".site",
  outDir: "site",
  cacheDir: "../.cache/vitepress",
  // A favicon that is none: browsers do not ask for one then.
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: { anchor: { slugify }, config: keepWordsTogether },
  themeConfig: {
    nav: [
      { text: "Getting started", link: "/getting-started" },
      { text: "Recipes", link: "/recipes" },
      { text: "Options", link: "/options" },
      { text: "The drill", link: "/drill" },
      { text: "API", link: "/api/" },
    ],
    sidebar: {
      "/api/": [
        { text: "Guide", items: [{ text: "Reference, in a page", link: "/reference" }] },
        ...apiSections(),
      ],
      "/": [...sidebar, { text: "API", items: [{ text: "Generated from the sources", link: "/api/" }] }],
    },
    outline: { level: [2, 3] },
    search: { provider: "local", options: { miniSearch: { searchOptions: { boostDocument } } } },
  },
});

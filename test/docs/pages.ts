/** The pages that a reader of this repository finds, and the code in them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = new URL("../../", import.meta.url);
export const rootPath = fileURLToPath(root);

/** Paths of all pages, from the root of the repository. */
export const pages: readonly string[] = [
  ...readdirSync(root).filter((file) => file.endsWith(".md")),
  ...readdirSync(new URL("docs", root))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

export function readPage(page: string): string {
  return readFileSync(new URL(page, root), "utf8");
}

/** A fenced block. */
export interface Block {
  page: string;
  /** Where its first line of code stands. */
  line: number;
  language: string;
  code: string;
}

const FENCED_BLOCK = /^```(\w*)\n(.*?)^```$/gms;

function blocksOf(page: string): Block[] {
  const content = readPage(page);
  return [...content.matchAll(FENCED_BLOCK)].map((match) => ({
    page,
    line: content.slice(0, match.index).split("\n").length + 1,
    language: match[1]!,
    code: match[2]!,
  }));
}

/** All fenced blocks in these languages. */
export function blocksIn(...languages: readonly string[]): Block[] {
  return pages.flatMap(blocksOf).filter(({ language }) => languages.includes(language));
}

/** A link to something in the repository. */
interface Link {
  /** Path from the root of the repository. */
  target: string;
  /** Undefined for the page as a whole. */
  anchor: string | undefined;
}

/** The links of a page that stay in the repository. */
export function linksOf(page: string): Link[] {
  const links = [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = "", anchor] = link.split("#");
      return {
        target: path === "" ? page : new URL(path, new URL(page, "file:///")).pathname.slice(1),
        anchor,
      };
    });
}

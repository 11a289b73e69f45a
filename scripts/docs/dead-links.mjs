/** Follows each link of the built site to its page and its anchor. VitePress looks at pages only. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** @param {string} html */
function anchorsOf(html) {
  return new Set([...html.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1]));
}

/**
 * @param {string} site The folder of the built site, with a slash at its end.
 * @returns {{ page: string, link: string }[]}
 */
export function deadLinks(site) {
  const files = readdirSync(site, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".html"),
  );
  const texts = new Map(files.map((file) => [file, readFileSync(join(site, file), "utf8")]));
  const anchors = new Map([...texts].map(([file, html]) => [file, anchorsOf(html)]));

  return [...texts].flatMap(([page, html]) => {
    const links = [...html.matchAll(/\s(?:href|src)="([^"]+)"/g)].map((match) => String(match[1]));
    return [...new Set(links)].filter((link) => isDead(link, page)).map((link) => ({ page, link }));
  });

  /**
   * @param {string} link
   * @param {string} page
   */
  function isDead(link, page) {
    const { host, pathname, hash } = new URL(link.replaceAll("&amp;", "&"), `http://site/${page}`);
    // The site brings all that it needs: nothing is loaded from elsewhere, and links out of it are not ours to follow.
    if (host !== "site") return false;
    const path = decodeURIComponent(pathname).slice(1);
    const file = path === "" || path.endsWith("/") ? `${path}index.html` : path;
    if (!file.endsWith(".html")) return !existsSync(join(site, file));
    const there = anchors.get(file);
    return there === undefined || (hash !== "" && !there.has(decodeURIComponent(hash.slice(1))));
  }
}

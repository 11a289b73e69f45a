/**
 * Gathers the pages of the site. In the repository a page links to any file; the site has pages only, so what is linked
 * and is no page becomes one, with the file's text in it.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, posix } from "node:path";

/** Pages of the repository's root, and their names on the site. README.md is the first page. */
const ROOT_PAGES = {
  "README.md": "index.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "SECURITY.md": "security.md",
};

/** @type {Record<string, string>} */
const LANGUAGES = {
  ".mjs": "js",
  ".cfg": "txt",
  ".conf": "nginx",
  ".py": "python",
  ".svg": "html",
  ".mod": "txt",
  ".sum": "txt",
};

/** A link or picture in Markdown: what stands before its target, and the target. */
const LINK = /(\]\()([^)\s]+)(?=\))/g;
const FENCED_BLOCK = /^(```.*?^```$)/ms;

/**
 * @param {string} root The repository, with a slash at its end.
 * @param {string} staged Where the pages go, with a slash at its end.
 */
export function gatherPages(root, staged) {
  const guides = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"));
  /** @type {Map<string, string>} */
  const pages = new Map(Object.entries(ROOT_PAGES));
  for (const guide of guides) pages.set(`docs/${guide}`, guide);
  /** @type {Set<string>} */
  const sources = new Set();

  for (const [page, target] of pages) {
    const text = readFileSync(join(root, page), "utf8");
    write(
      join(staged, target),
      rewriteLinks(text, (link) => onSite(link, page)),
    );
  }
  for (const path of sources) write(join(staged, "source", `${path}.md`), sourcePage(root, path));

  /**
   * The link as it works on the site.
   *
   * @param {string} link
   * @param {string} page Where it stands.
   */
  function onSite(link, page) {
    if (/^([a-z]+:|#)/.test(link)) return link;
    const [path = "", anchor] = link.split("#");
    const file = posix.join(posix.dirname(page), path).replace(/\/$/, "");
    const fragment = anchor === undefined ? "" : `#${anchor}`;
    const known = pages.get(file);
    if (known !== undefined) return `/${known}${fragment}`;
    if (file.startsWith("docs/") && file.endsWith(".svg")) {
      const target = file.slice("docs/".length);
      mkdirSync(join(staged, dirname(target)), { recursive: true });
      copyFileSync(join(root, file), join(staged, target));
      return `./${target}`;
    }
    sources.add(file);
    return `/source/${file}.md`;
  }
}

/**
 * The first page of the API reference, in the place of typedoc's list of modules.
 *
 * @param {string} staged
 */
export function introduceApi(staged) {
  write(
    join(staged, "api/index.md"),
    `---
outline: false
prev: false
next: false
---

# API

*For whoever wants every type and every word that stands in the sources. It is generated from them.*

| import | what it has |
|---|---|
| [\`lastcall\`](lastcall/index.md) | the server: [\`createServer\`](lastcall/functions/createServer.md), [\`Connection\`](lastcall/interfaces/Connection.md), [\`Server\`](lastcall/interfaces/Server.md), [\`ServerOptions\`](lastcall/interfaces/ServerOptions.md), [\`DrainOptions\`](lastcall/interfaces/DrainOptions.md), [\`DrainReport\`](lastcall/interfaces/DrainReport.md) |
| [\`lastcall/process\`](lastcall/process/index.md) | signals: [\`terminationSignals\`](lastcall/process/functions/terminationSignals.md) |
| [\`lastcall/drill\`](lastcall/drill/index.md) | the drill: [\`drill\`](lastcall/drill/functions/drill.md), [\`DrillOptions\`](lastcall/drill/interfaces/DrillOptions.md), [\`DrillResult\`](lastcall/drill/interfaces/DrillResult.md) |

The [reference](/reference.md) has the members of \`Connection\` and \`Server\`, the errors and the exports in a line each.
`,
  );
}

/**
 * @param {string} markdown
 * @param {(link: string) => string} rewrite
 */
function rewriteLinks(markdown, rewrite) {
  return markdown
    .split(FENCED_BLOCK)
    .map((part) =>
      part.startsWith("```")
        ? part
        : part.replace(LINK, (_whole, before, link) => `${before}${rewrite(link)}`),
    )
    .join("");
}

/**
 * A page that shows a file, or the files of a folder.
 *
 * @param {string} root
 * @param {string} path
 */
function sourcePage(root, path) {
  const isFolder = statSync(join(root, path)).isDirectory();
  const files = isFolder ? filesIn(root, path) : [path];
  const shown = files.map((file) => {
    const heading = isFolder ? `## \`${posix.relative(path, file)}\`\n\n` : "";
    const language = LANGUAGES[extname(file)] ?? extname(file).slice(1);
    return `${heading}\`\`\`\`${language}\n${readFileSync(join(root, file), "utf8").trimEnd()}\n\`\`\`\`\n`;
  });
  const outline = isFolder ? "" : "outline: false\n";
  return `---\ntitle: ${basename(path)}\nsearch: false\n${outline}---\n\n# \`${path}\`\n\nFrom the repository.\n\n${shown.join("\n")}`;
}

/**
 * Text files that belong to the repository: not what is installed or locked.
 *
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
function filesIn(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules" && !/(-lock\.json|\.sum)$/.test(name))
    .flatMap((entry) =>
      entry.isDirectory() ? filesIn(root, posix.join(folder, entry.name)) : [posix.join(folder, entry.name)],
    );
}

/**
 * @param {string} path
 * @param {string} text
 */
function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/**
 * The server that README.md shows, as files that can run: the same lines, with the port and the `work` that a reader
 * would bring.
 */
import { readFileSync } from "node:fs";

const FENCED_BLOCK = /^```\w*\n(.*?)^```$/gms;
const IMPORT = /^import (\{.*?\}) from ("[^"]+");$/gm;

/** README.md's port, which the test replaces. */
const PORT = "8080";

/** The first fenced block of README.md that creates a server. */
export function readmeServer(readme: URL): string {
  const blocks = [...readFileSync(readme, "utf8").matchAll(FENCED_BLOCK)].map((match) => match[1]!);
  const server = blocks.find((block) => block.includes("createServer("));
  if (server === undefined) throw new Error("README.md shows no code with `createServer(`.");
  if (!server.includes(PORT)) throw new Error(`README.md's server does not listen on ${PORT}.`);
  return server;
}

const work = {
  javascript: `async function work(message) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return \`done: \${message}\`;
}
`,
  typescript: `async function work(message: string | Buffer): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return \`done: \${message}\`;
}
`,
};

/** As an ES module in JavaScript. */
export function asJavaScript(server: string, port: number): string {
  return `${server.replaceAll(PORT, String(port))}\n${work.javascript}`;
}

/** As TypeScript; what is inferred must fit `work`. */
export function asTypeScript(server: string, port: number): string {
  return `${server.replaceAll(PORT, String(port))}\n${work.typescript}`;
}

/** As CommonJS: `require()` for `import`, and a function around what awaits. */
export function asCommonJs(server: string, port: number): string {
  const required = server.replace(IMPORT, "const $1 = require($2);").replaceAll(PORT, String(port));
  return `async function main() {\n${required}\n}\n${work.javascript}\nmain();\n`;
}

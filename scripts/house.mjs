/**
 * `npm run house`: the structure of src/. Prints the sizes of files and functions, and draws docs/house.svg: the rooms,
 * what is in them, and who imports whom. A test holds the picture against the code.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseSync } from "oxc-parser";

const source = fileURLToPath(new URL("../src", import.meta.url));

/**
 * The rooms from top to bottom: each imports only what is below it, or beside it on its right.
 *
 * @type {readonly (readonly string[])[]}
 */
const FLOORS = [
  ["cli"],
  ["process", "drill"],
  ["server"],
  ["listen"],
  ["connection"],
  ["base", "drain", "wire"],
];

/**
 * @typedef {{ path: string, room: string, lines: number, functions: number[], imports: string[] }} SourceFile
 */

/**
 * Files of src/ in a room, with the lines of each function's body and the rooms that they import from.
 *
 * @returns {SourceFile[]}
 */
export function readHouse() {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts") && path.includes("/"))
    .sort()
    .map(readSource);
}

/** @param {string} path */
function readSource(path) {
  const text = readFileSync(join(source, path), "utf8");
  const { program, module } = parseSync(path, text);
  const specifiers = [...module.staticImports, ...module.staticExports.flatMap(({ entries }) => entries)]
    .map((entry) => entry.moduleRequest?.value)
    .filter((specifier) => specifier?.startsWith("."));
  const rooms = specifiers.map((specifier) => roomOf(normalize(join(dirname(path), String(specifier)))));
  const room = roomOf(path);
  return {
    path,
    room,
    lines: text.split("\n").length - 1,
    functions: functionLengths(program, text),
    imports: [...new Set(rooms)].filter((other) => other !== room),
  };
}

/** @param {string} path */
function roomOf(path) {
  return /** @type {string} */ (path.split("/")[0]);
}

/**
 * Lines between the braces of every function with a body; at least one.
 *
 * @param {unknown} program
 * @param {string} text
 */
function functionLengths(program, text) {
  /** @type {number[]} */
  const lengths = [];
  /** @param {any} node */
  const visit = (node) => {
    if (typeof node !== "object" || node === null) return;
    if (/^(Function|ArrowFunction)/.test(String(node.type)) && node.body) {
      const lines = text.slice(node.body.start, node.body.end).split("\n").length;
      lengths.push(Math.max(1, node.body.type === "BlockStatement" ? lines - 2 : lines));
    }
    for (const value of Object.values(node)) visit(value);
  };
  visit(program);
  return lengths;
}

/**
 * Median, 90th percentile and largest of some numbers.
 *
 * @param {number[]} numbers
 */
function spread(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  /** @param {number} part */
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return `median ${at(0.5)}, 90th percentile ${at(0.9)}, largest ${sorted.at(-1)}`;
}

const WIDTH = 960;
const GAP = 24;
const COLUMN = 150;
const LINE = 17;

/**
 * The picture.
 *
 * @param {readonly SourceFile[]} files
 */
export function drawHouse(files) {
  /** @type {string[]} */
  const boxes = [];
  let y = GAP;
  for (const rooms of FLOORS) {
    const counted = rooms.map((room) => ({ room, count: files.filter((file) => file.room === room).length }));
    // A room's width goes with what is in it, as far as its name needs no more.
    const wholeShare = counted.reduce((sum, { count }) => sum + Math.max(count, 10), 0);
    const placed = counted.map(({ room, count }) => {
      const width = ((WIDTH - GAP * (rooms.length + 1)) * Math.max(count, 10)) / wholeShare;
      return { room, width, rows: Math.ceil(count / Math.max(1, Math.floor(width / COLUMN))) };
    });
    const height = 64 + LINE * Math.max(...placed.map(({ rows }) => rows));
    let x = GAP;
    for (const { room, width, rows } of placed) {
      boxes.push(box(files, room, { x, y, width, height, rows }));
      x += width + GAP;
    }
    y += height + GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12">`,
    "<title>The rooms of src/, the files in them, and what each imports</title>",
    "<style>",
    "rect{fill:#f6f8fa;stroke:#8c959f}text{fill:#1f2328}.imports{fill:#57606a}",
    "@media(prefers-color-scheme:dark){rect{fill:#161b22;stroke:#6e7681}text{fill:#e6edf3}.imports{fill:#9da7b3}}",
    "</style>",
    ...boxes,
    "</svg>",
    "",
  ].join("\n");
}

/**
 * @param {readonly SourceFile[]} files
 * @param {string} room
 * @param {{ x: number, y: number, width: number, height: number, rows: number }} place
 */
function box(files, room, { x, y, width, height, rows }) {
  const inside = files.filter((file) => file.room === room);
  const imports = [...new Set(inside.flatMap((file) => file.imports))].sort();
  const names = inside.map(({ path }, index) => {
    const left = x + GAP / 2 + Math.floor(index / rows) * COLUMN;
    return `<text x="${left}" y="${y + 62 + (index % rows) * LINE}">${path.slice(room.length + 1, -3)}</text>`;
  });
  const told = imports.length === 0 ? "imports nothing of ours" : `imports ${imports.join(", ")}`;
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8"/>`,
    `<text x="${x + GAP / 2}" y="${y + 22}" font-size="15" font-weight="600">${room}/</text>`,
    `<text x="${x + GAP / 2}" y="${y + 39}" class="imports">${told}</text>`,
    ...names,
  ].join("\n");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const files = readHouse();
  const functions = files.flatMap((file) => file.functions);
  console.log(`${files.length} files, in lines: ${spread(files.map(({ lines }) => lines))}`);
  console.log(`${functions.length} functions, lines of their bodies: ${spread(functions)}`);
  for (const { path, lines } of files.toSorted((a, b) => b.lines - a.lines).slice(0, 5)) {
    console.log(`  ${path}: ${lines}`);
  }
  writeFileSync(new URL("../docs/house.svg", import.meta.url), drawHouse(files));
}

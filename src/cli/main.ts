#!/usr/bin/env node
/** The `lastcall` command: one file a subcommand. */
import { createRequire } from "node:module";
import { drillCommand } from "./drill.js";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

const help = `lastcall ${version}

  lastcall drill [options] -- <command>   proves how a WebSocket server goes down, in any language
  lastcall drill --help                   its options

Exit codes: 0 nothing failed, 1 something failed, 2 it could not run, 3 nothing was at stake.`;

async function main([name, ...args]: string[]): Promise<number> {
  if (name === "drill") return drillCommand(args);
  if (name === "--version" || name === "-v") {
    console.log(version);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(help);
    return name === undefined ? 2 : 0;
  }
  console.error(`There is no command '${name}'. There is: drill. See lastcall --help.`);
  return 2;
}

// Not process.exit(): what is printed into a pipe may still be on its way.
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // 1 would be a verdict about a server.
  console.error(`lastcall: ${String(error).replaceAll(/\s*[\r\n]+\s*/g, " ")}`);
  process.exitCode = 2;
}

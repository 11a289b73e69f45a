import { defineConfig } from "vitest/config";
import { effort } from "./test/tools/effort.js";

/**
 * What judges no time: pure code, pages, and processes of which the end is looked at. All else runs
 * apart from it, so that a new file is on the safe side.
 */
const TIMELESS = [
  "test/base/**",
  "test/cli/**",
  "test/connection/!(back-pressure|compression-drain|connection|lingering|work).test.ts",
  "test/docs/**",
  "test/drain/**",
  "test/drill/!(bad-input|client|fair|listening|run).test.ts",
  "test/drill/report/**",
  "test/examples/**",
  "test/hosts/{fastify,nest}.test.ts",
  "test/house.test.ts",
  "test/interop/conformance/**",
  "test/listen/{compression-offer,early-bytes,hosts-refused,hosts-upgrades,http1-handshake,listen-target}.test.ts",
  "test/listen/{overlay,refusal,request-head,socket-file,upgrade}.test.ts",
  "test/package/exports.test.ts",
  "test/server/{option-checks,options,premises}.test.ts",
  "test/types/**",
  "test/virtual/**",
  "test/wire/**",
].map((path) => path.replace(/\/\*\*$/, "/**/*.test.ts"));

/** It packs, installs and runs other Node versions: `npm run test:package`. */
const APART = "test/package/tarball.test.ts";

export default defineConfig({
  test: {
    setupFiles: ["test/tools/open-handles.ts"],
    // Each file in a process of its own.
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
    projects: [
      {
        extends: true,
        test: {
          name: "timeless",
          include: TIMELESS,
          // As many at a time as there are cores; twice as many where most of them wait for processes of theirs.
          maxWorkers: effort === "full" ? "100%" : "200%",
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: [...TIMELESS, APART],
          // Nothing that computes beside it: a fuzzer there would make a test of timing lie. What is repeated fifty times
          // to be trusted runs by itself; else three share the machine, since they wait far more than they work.
          maxWorkers: effort === "full" ? 1 : 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text", "html"],
      thresholds: {
        "src/wire/**": { 100: true },
        "src/drain/**": { 100: true },
        // What is pure of the drill: the rule, the account, the words.
        "src/drill/{account,check,delay,dialect,findings,handshake,options,random,sentence,verdict}.ts": {
          100: true,
        },
      },
    },
  },
});

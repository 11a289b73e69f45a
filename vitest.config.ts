import { defineConfig } from "vitest/config";
import { effort } from "./test/tools/effort.js";

/**
 * What judges no time: files that may share a process, since one of their own takes longer. Not at full effort: there a
 * timer that one leaves cannot be hidden by those of another.
 */
const LIGHT = [
  "test/base/**",
  "test/connection/!(awaiting-closed|back-pressure|causes|compression-drain|connection|gone-peers|lingering|work).test.ts",
  "test/drain/**",
  "test/drill/{account,check,conversation,dialect,findings,handshake,options}.test.ts",
  "test/drill/{profiles,random,sentence,verdict}.test.ts",
  "test/listen/{compression-offer,early-bytes,hosts-refused,hosts-upgrades,http1-handshake,listen-target}.test.ts",
  "test/listen/{overlay,request-head,socket-file,upgrade}.test.ts",
  "test/server/{option-checks,options,premises}.test.ts",
  "test/virtual/**",
  "test/wire/**",
].map(allIn);

/**
 * What judges no time either: pages, and processes of which the end is looked at. All else runs apart from it, so that a
 * new file is on the safe side.
 */
const TIMELESS = [
  "test/cli/**",
  "test/docs/!(traps|watching).test.ts",
  "test/drill/{at-exit,effects,finds,timers}.test.ts",
  "test/drill/report/**",
  "test/examples/**",
  "test/hosts/{fastify,nest}.test.ts",
  "test/house.test.ts",
  "test/interop/conformance/**",
  "test/package/exports.test.ts",
  "test/types/**",
].map(allIn);

function allIn(path: string): string {
  return path.replace(/\/\*\*$/, "/**/*.test.ts");
}

// As many at a time as there are cores; twice as many where most of them wait for processes of theirs.
const SIDE_BY_SIDE = { maxWorkers: effort === "full" ? "100%" : "200%", sequence: { groupOrder: 1 } };

/** It packs, installs and runs other Node versions: `npm run test:package`. */
const APART = "test/package/tarball.test.ts";

export default defineConfig({
  test: {
    setupFiles: ["test/tools/open-handles.ts"],
    // Each file in a process of its own, unless its project says otherwise.
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
    projects: [
      { extends: true, test: { name: "light", include: LIGHT, isolate: effort === "full", ...SIDE_BY_SIDE } },
      { extends: true, test: { name: "timeless", include: TIMELESS, ...SIDE_BY_SIDE } },
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: [...LIGHT, ...TIMELESS, APART],
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

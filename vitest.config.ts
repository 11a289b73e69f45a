import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // It packs, installs and runs other Node versions: `npm run test:package`.
    exclude: ["test/package/tarball.test.ts"],
    setupFiles: ["test/tools/open-handles.ts"],
    // One file at a time, each in a process of its own: a fuzzer beside it would make a test of timing lie.
    pool: "forks",
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
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

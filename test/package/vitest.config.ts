import { defineConfig } from "vitest/config";

// Apart from the other tests: it packs, installs and runs other versions of Node, which nobody wants on every save.
export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/package/tarball.test.ts"],
    setupFiles: ["test/tools/open-handles.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 240_000,
  },
});

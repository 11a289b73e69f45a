/** The HTTP server of a framework: an upgraded socket is ours as if we had accepted it. */
import { onTestFinished } from "vitest";
import { adapters } from "../../hosts/adapters.mjs";
import { plainTcp } from "./direct.js";
import type { Way } from "./way.js";

export const frameworks: Way[] = adapters.map(({ name, start }) => ({
  name,
  traits: plainTcp,
  async host() {
    const app = await start(() => Promise.resolve("slow"));
    onTestFinished(async () => void (await app.close()));
    return app.http;
  },
  entrance: (port) => Promise.resolve(port),
  fixture: { framework: name },
}));

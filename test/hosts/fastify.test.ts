/** What only Fastify has: a hook that runs before it closes. */
import fastify from "fastify";
import { expect, test } from "vitest";
import { allServed, TOTAL } from "../listen/hosts.js";
import { outcomeOf } from "../tools/scenario.js";
import { Scene } from "./scene.js";

test("fastify.close() is all it takes when a preClose hook awaits shutdown()", async () => {
  const scene = new Scene();
  const app = fastify();
  app.get("/fast", async () => Promise.resolve("fast"));
  app.get("/slow", scene.slow);
  const { server } = scene.working;
  app.addHook("preClose", async () => void (await server.shutdown()));
  await app.listen({ port: 0, host: "127.0.0.1" });
  await scene.open({ http: app.server, close: () => app.close() });
  await scene.begin();
  const stopping = scene.working.stop(async () => {
    await app.close();
    // The promise that the hook has awaited.
    return server.shutdown();
  });
  await scene.expectServed();
  const stopped = await stopping;
  expect(outcomeOf(stopped)).toEqual(allServed);
  expect(stopped.before).toBeLessThan(TOTAL);
  expect(app.server.listening).toBe(false);
});

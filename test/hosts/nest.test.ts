/** What only NestJS has: hooks that run before and behind its own close. */
import { expect, test } from "vitest";
import type { Server } from "../../src/index.js";
import { allServed, CONNECTIONS, TOTAL } from "../listen/hosts.js";
import { countsOf, outcomeOf, reportWith } from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { createNest } from "./nest.mjs";
import { Scene } from "./scene.js";

/** A scene on an application whose provider shuts the server down in this hook. */
async function openWith(hook: "beforeApplicationShutdown" | "onApplicationShutdown") {
  const scene = new Scene();
  const server: Server = scene.working.server;
  const provider = { provide: "WebSockets", useValue: { [hook]: () => server.shutdown() } };
  const app = await createNest({ slow: scene.slow, providers: [provider] });
  await app.listen(0, "127.0.0.1");
  await scene.open({ http: app.getHttpServer(), close: () => app.close().then(() => undefined) });
  await scene.begin();
  return { scene, server, app };
}

test("app.close() is all it takes when a beforeApplicationShutdown hook awaits shutdown()", async () => {
  const { scene, server, app } = await openWith("beforeApplicationShutdown");
  const stopping = scene.working.stop(async () => {
    await app.close();
    // The promise that the hook has awaited.
    return server.shutdown();
  });
  await scene.expectServed();
  const stopped = await stopping;
  expect(outcomeOf(stopped)).toEqual(allServed);
  expect(stopped.before).toBeLessThan(TOTAL);
  expect(scene.http.listening).toBe(false);
});

test("an onApplicationShutdown hook comes too late: Nest waits for the WebSockets before it", async () => {
  const { scene, server, app } = await openWith("onApplicationShutdown");
  const closing = app.close();
  await eventually(() => !scene.http.listening && scene.working.served === TOTAL);
  // All is served, and nobody has told the WebSockets to go, though nobody comes any more.
  expect(server.state).toBe("draining");
  expect(server.connections.size).toBe(CONNECTIONS);
  const stopping = server.shutdown();
  await scene.expectServed();
  expect(countsOf(await stopping)).toEqual(
    reportWith("clean", { total: CONNECTIONS, closed: CONNECTIONS }, {}),
  );
  await closing;
});

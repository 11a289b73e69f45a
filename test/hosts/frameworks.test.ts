/** WebSockets on the HTTP server of a framework: both go down together, whoever is told first. */
import { describe, expect, test } from "vitest";
import { allServed, HttpPeer, listenersOf, NOBODY, nodeEndsNewSockets, TOTAL } from "../listen/hosts.js";
import { countsOf, outcomeOf } from "../tools/scenario.js";
import { eventually } from "../tools/serve.js";
import { atLeast, bound, ms } from "../tools/timing.js";
import { adapters } from "./adapters.mjs";
import { Scene } from "./scene.js";

describe.each(adapters)("$name", ({ start, closedAlready }) => {
  test("goes down with shutdown(): all is served, and its own close() works afterwards", async () => {
    const scene = new Scene();
    const app = await start(scene.slow);
    const before = listenersOf(app.http);
    await scene.open(app);
    await scene.begin();
    const stopping = scene.working.stop();
    await scene.expectServed();
    const stopped = await stopping;
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(stopped.before).toBeLessThan(TOTAL);
    expect(app.http.listening).toBe(false);
    expect(listenersOf(app.http)).toEqual(before);
    expect(await app.close()).toBe(closedAlready);
  });

  test("may be told to close first: all is served, and both settle", async () => {
    const scene = new Scene();
    const app = await start(scene.slow);
    const before = listenersOf(app.http);
    await scene.open(app);
    await scene.begin();
    let closing: Promise<string | undefined> | undefined;
    const stopping = scene.working.stop(async () => {
      closing = app.close();
      await eventually(() => !app.http.listening);
      // Nobody comes any more; its close() tells no WebSocket anything.
      expect(scene.working.server.state).toBe("draining");
      return scene.working.server.shutdown();
    });
    await scene.expectServed();
    const stopped = await stopping;
    expect(outcomeOf(stopped)).toEqual(allServed);
    expect(stopped.before).toBeLessThan(TOTAL);
    expect(await closing).toBe(undefined);
    expect(listenersOf(app.http)).toEqual(before);
  });

  test.for(["shutdown()", "close()"])(
    "is held by a client that says nothing for handshakeGrace at most, %s first",
    async (first) => {
      const nodeEndsIt = first === "close()" && (await nodeEndsNewSockets());
      const scene = new Scene();
      const app = await start(scene.slow);
      await scene.open(app);
      const silent = await HttpPeer.connect(app.http, scene.port);
      const closing = first === "close()" ? app.close() : undefined;
      if (closing !== undefined) await eventually(() => !app.http.listening);
      const report = await scene.working.server.shutdown({ handshakeGrace: ms(200) });
      expect(countsOf(report)).toEqual(NOBODY);
      expect(report.duration).toBeGreaterThanOrEqual(nodeEndsIt ? 0 : atLeast(200));
      expect(report.duration).toBeLessThan(bound(300));
      await silent.closed();
      expect(silent.ended).toBe("FIN");
      expect(silent.answers).toMatchObject(nodeEndsIt ? [] : [{ status: 503, connection: "close" }]);
      expect(await closing).toBe(undefined);
      expect(app.http.listening).toBe(false);
    },
  );
});

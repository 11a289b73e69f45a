/** Everything together on the HTTP server of a framework, drained under load, and counted on both sides. */
import { describe, expect, test } from "vitest";
import { RESTART, seenBy } from "../listen/hosts.js";
import { certificate } from "../scenario/ways/tls.js";
import { hasOpenssl } from "../tools/debian.js";
import { repetitions } from "../tools/effort.js";
import { Forked } from "../tools/fork.js";
import { eventually } from "../tools/serve.js";
import { adapters } from "./adapters.mjs";
import { askAgain, askerOf, openPipelining, streamFrom, type Requests, type ToldByHost } from "./load.js";

const WEBSOCKETS = 4;
const ASKING = 8;
const STREAMS = 3;
/** Of each kind, before it is told to stop. */
const ENOUGH = 50;

const hosts: [name: string, settings: object][] = [
  ...adapters.map(({ name }): [string, object] => [name, { framework: name }]),
  ...adapters
    .filter(({ hasHook }) => hasHook)
    .map(({ name }): [string, object] => [
      `${name}, by its own close() and a hook`,
      { framework: name, hook: true },
    ]),
  ...(hasOpenssl ? [["https.Server", { https: certificate }] as [string, object]] : []),
];

describe.each(hosts)("%s", (_, settings) => {
  test.for(Array.from({ length: repetitions.drainsUnderLoad }, (_none, index) => index))(
    "loses nothing when it is drained under load, of WebSockets, kept-alive requests and streams (%i)",
    async () => {
      const host = new Forked<ToldByHost>("host-server.mjs", settings);
      const { port } = await host.tells("listening");
      const tls = "https" in settings;
      const requests: Requests = { answered: 0, elsewhere: 0, failed: [] };
      let events = 0;
      const sockets = await Promise.all(Array.from({ length: WEBSOCKETS }, () => openPipelining(port, tls)));
      const ask = askerOf(port, tls, ASKING);
      const asking = Array.from({ length: ASKING }, () => askAgain(ask, requests));
      const streaming = Array.from({ length: STREAMS }, () => streamFrom(port, tls, () => events++));
      const replies = (): number => sockets.reduce((sum, { messages }) => sum + messages.length, 0);
      await eventually(() => Math.min(requests.answered, replies(), events) >= ENOUGH);
      host.kill("SIGTERM");

      const streams = await Promise.all(streaming);
      const seen = await Promise.all(sockets.map(seenBy));
      await Promise.all(asking);
      const { done, report, prose } = await host.tells("down");
      expect(await host.exited()).toMatchObject({ code: 0, stderr: "" });

      expect(requests).toEqual({ answered: done.plain, elsewhere: ASKING, failed: [] });
      expect(replies()).toBe(done.messages);
      for (const { messages, ...end } of seen) {
        expect(messages).toEqual(messages.map((_message, index) => `done ${index}`));
        expect(end).toEqual({ close: RESTART, ended: "FIN", violation: undefined });
      }
      expect(streams.every(({ isWhole }) => isWhole)).toBe(true);
      expect(done.streams).toBe(STREAMS);
      expect(streams.reduce((sum, stream) => sum + stream.events, 0)).toBe(done.events);
      // Under load some messages come behind the cut.
      expect(["clean", "partial"], prose).toContain(report.outcome);
      expect(report.requests).toMatchObject({ left: 0, cut: 0 });
    },
  );
});

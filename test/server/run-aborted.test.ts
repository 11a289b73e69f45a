/** `run` on a server that listens already, with a signal that came before. */
import { expect, it } from "vitest";
import { openRaw } from "../tools/raw-client.js";
import { gate, serve } from "../tools/serve.js";

it("serves what it was given when `shutdown` was aborted between `listen` and `run`", async () => {
  const working = gate();
  const finish = gate();
  const { server, port } = await serve(async (connection) => {
    for await (const message of connection) {
      working.open();
      await finish.passed;
      connection.send(message);
    }
  });
  const peer = await openRaw(port);
  peer.send("request");
  await working.passed;
  const running = server.run({ signals: { shutdown: AbortSignal.abort() } });
  finish.open();
  await peer.until(() => peer.gone);
  expect(peer.messages).toEqual(["request"]);
  expect(await running).toMatchObject({
    outcome: "clean",
    messages: { served: 1 },
    connections: { closed: 1 },
  });
});

it("still hears `close` then", async () => {
  const working = gate();
  const { server, port } = await serve(async (connection) => {
    working.open();
    await new Promise((resolve) => connection.signal.addEventListener("abort", resolve));
  });
  const peer = await openRaw(port);
  await working.passed;
  const close = new AbortController();
  const running = server.run({ signals: { shutdown: AbortSignal.abort(), close: close.signal } });
  expect(server.state).toBe("draining");
  close.abort();
  expect(await running).toMatchObject({ outcome: "forced" });
  await peer.until(() => peer.gone);
});

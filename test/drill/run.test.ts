/** A run against servers in this process: when it begins, when it is over, and what it waits for. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { drill, type DrillOptions } from "../../src/drill/index.js";
import { gate } from "../tools/serve.js";
import { bound, ms } from "../tools/timing.js";

/** A server of `ws` that does this with each connection. */
async function serve(greet: (socket: WebSocket) => void) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", greet);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const closeAll = (): void => {
    for (const client of server.clients) client.close(1001);
  };
  return { url: `ws://127.0.0.1:${port}/`, closeAll };
}

function echo(socket: WebSocket): void {
  socket.on("message", (data: Buffer) => socket.send(data.toString()));
}

const small: DrillOptions = { connections: 2, requests: 2, signalAfter: 10 };

describe("a run begins", () => {
  it("only when its clients may send; where none ever may, the drill could not run", async () => {
    const { url } = await serve((socket) => socket.send("please wait"));
    const began = performance.now();
    const options = {
      ...small,
      url,
      stop: () => expect.unreachable(),
      openAck: "welcome",
      startTimeout: 300,
    };
    await expect(drill(options)).rejects.toMatchObject({
      code: "LASTCALL_DRILL_START",
      message:
        "2 connections waited 0.3 s for a message after which requests may be sent, and none that came was that. Is `openAck` (or the script's ack) what the server says?",
    });
    expect(performance.now() - began).toBeLessThan(bound(1_500));
  });

  it("also where a half-closed client is tried out before", async () => {
    const { url } = await serve(() => {});
    const options = { ...small, url, stop: () => {}, openAck: "welcome", startTimeout: 200 };
    await expect(drill({ ...options, profiles: ["half-close"] })).rejects.toThrow(
      /^2 connections waited 0\.2 s/,
    );
  });
});

describe("a run does not begin", () => {
  it("where every connection is closed before a request could be sent", async () => {
    let number = 0;
    const { url } = await serve((socket) => {
      if (++number > 1) socket.close(1008, "who are you");
    });
    await expect(drill({ ...small, url, stop: () => expect.unreachable() })).rejects.toMatchObject({
      code: "LASTCALL_DRILL_START",
      message:
        "The server closed every connection before a request could be sent (Close 1008: who are you). Give what it asks for (`headers`, `subprotocol`, `open`).",
    });
  });
});

describe("a run is over", () => {
  it("when what stops the server has ended, and not before", async () => {
    const { url, closeAll } = await serve(echo);
    const { passed: stopped, ...stop } = gate();
    let isOver = false;
    const drilling = drill({
      ...small,
      url,
      stop: async () => {
        closeAll();
        await stopped;
      },
      onProgress: ({ phase, ended }) => {
        // All connections are over, and the run is not.
        if (phase !== "over" && ended === 2) stop.open();
        isOver ||= phase === "over";
      },
    }).then((result) => {
      expect(isOver).toBe(true);
      return result;
    });
    expect(await drilling).toMatchObject({ passed: true, runs: [{ sent: 4, counts: { answered: 4 } }] });
  });

  it("without a result when what stops the server fails, however late", async () => {
    const { url, closeAll } = await serve(echo);
    const stop = async (): Promise<void> => {
      closeAll();
      await new Promise((resolve) => setTimeout(resolve, ms(300)));
      throw new Error("the rollout was refused");
    };
    await expect(drill({ ...small, url, stop })).rejects.toMatchObject({
      code: "LASTCALL_DRILL_STOP",
      message: "The function that should stop the server threw: the rollout was refused.",
    });
  });

  it("when the time is up, and what hangs is named", async () => {
    const { url, closeAll } = await serve(echo);
    const { passed: never } = gate();
    const stop = (): Promise<void> => {
      closeAll();
      return never;
    };
    const { runs } = await drill({ ...small, url, stop, timeout: 300 });
    expect(runs[0]!.failures).toEqual([
      {
        kind: "hang",
        text: "What stops the server had not ended 300 ms after the server was told to stop; 0 connections were still open.",
        count: 1,
      },
    ]);
  });

  it("soon where a late sender was closed before it had begun", async () => {
    let number = 0;
    const { url, closeAll } = await serve((socket) => {
      // The first is the one that knocks.
      if (++number === 2) socket.close(1013);
      else echo(socket);
    });
    const options: DrillOptions = {
      ...small,
      url,
      stop: closeAll,
      profiles: ["late-sender"],
      timeout: 20_000,
    };
    const { runs } = await drill(options);
    expect(runs[0]!.failures).toEqual([]);
    const closed = runs[0]!.connections.find(({ close }) => close!.code === 1013);
    expect(closed).toMatchObject({ requests: [], closeSentAt: expect.any(Number) });
  });
});

/** WebSockets and plain HTTP on one port, both in the middle of something. */
import type { Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished } from "vitest";
import { HttpPeer, LONG, REQUESTS, RESTART, seenBy, Working } from "../listen/hosts.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { repliesTo, requestsOf } from "../tools/scenario.js";
import { eventually, gate } from "../tools/serve.js";
import type { App } from "./adapters.mjs";

export class Scene {
  readonly working = new Working({ path: "/ws" });
  readonly #answer = gate();
  readonly #asked = gate();
  app!: App;
  /** Its request waits for `answer()`. */
  #slow!: HttpPeer;
  /** It has been answered and is kept alive. */
  #idle!: HttpPeer;
  #sockets!: RawClient[];

  /** What `/slow` is answered with. */
  readonly slow = async (): Promise<string> => {
    this.#asked.open();
    await this.#answer.passed;
    return "at last";
  };

  get http(): HttpServer {
    return this.app.http;
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  /** Listens on an application that listens. */
  async open(app: App): Promise<this> {
    this.app = app;
    onTestFinished(async () => {
      this.#answer.open();
      app.http.closeAllConnections();
      await app.close();
    });
    // Whoever is closed is closed by us.
    app.http.keepAliveTimeout = LONG;
    await this.working.server.listen(app.http);
    return this;
  }

  /** Has a slow request under way, a connection kept alive, and pipelined requests on two WebSockets. */
  async begin(): Promise<void> {
    this.#idle = await HttpPeer.connect(this.http, this.port);
    this.#idle.get("/fast");
    await eventually(() => this.#idle.text.endsWith("fast"));
    this.#slow = await HttpPeer.connect(this.http, this.port);
    this.#slow.get("/slow");
    await this.#asked.passed;
    this.#sockets = await Promise.all(["/ws", "/ws"].map((path) => openRaw(this.port, { path })));
    this.#sockets.forEach((socket, index) =>
      requestsOf(index, REQUESTS).forEach((text) => socket.send(text)),
    );
  }

  /** Sees everybody served: the slow request is waited for until it is answered, and nobody else is. */
  async expectServed(): Promise<void> {
    for (const [index, socket] of this.#sockets.entries()) {
      const messages = repliesTo(index, REQUESTS);
      expect(await seenBy(socket)).toEqual({ messages, close: RESTART, ended: "FIN", violation: undefined });
    }
    const { server } = this.working;
    await eventually(() => server.connections.size === 0);
    // If nobody waited for the slow request, the shutdown would be over in the next turn.
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(server.state).toBe("draining");
    expect(this.#slow.ended).toBe(undefined);
    this.#answer.open();
    await this.#slow.closed();
    expect(this.#slow.ended).toBe("FIN");
    expect(this.#slow.answers).toMatchObject([{ status: 200, connection: "close", body: "at last" }]);
    // It may stay until the rest is done.
    await this.#idle.closed();
    expect(this.#idle.ended).toBe("FIN");
    expect(this.#idle.answers).toMatchObject([{ status: 200, connection: "keep-alive", body: "fast" }]);
  }
}

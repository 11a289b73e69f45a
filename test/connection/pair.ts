/** A client and its connection, for tests of what a handler can do. */
import { onTestFinished } from "vitest";
import type { Connection, Handler, ServerOptions } from "../../src/index.js";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { eventually, gate, serve, type Served } from "../tools/serve.js";

export interface Pair extends Served<undefined> {
  client: RawClient;
  connection: Connection;
  /** Lets the handler go on after what the test does with its connection. */
  finish: () => void;
}

/** A client and its connection, whose handler waits for the test. */
export async function pair(options?: ServerOptions<undefined> & { after?: Handler }): Promise<Pair> {
  const { after, ...serverOptions } = options ?? {};
  const finished = gate();
  let connection: Connection | undefined;
  const served = await serve(async (opened) => {
    connection = opened;
    await finished.passed;
    await after?.(opened);
  }, serverOptions);
  onTestFinished(() => finished.open());
  const client = await openRaw(served.port);
  onTestFinished(() => client.destroy());
  await eventually(() => connection !== undefined);
  return { ...served, client, connection: connection!, finish: () => finished.open() };
}

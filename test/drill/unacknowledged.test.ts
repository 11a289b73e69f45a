/** What the system tells of bytes that are on their way. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { portsIn, unacknowledgedTo } from "../../src/drill/unacknowledged.js";
import { eventually } from "../tools/serve.js";
import { rawServer } from "./raw-server.js";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";

it("are the local ports of connections to a port whose queue of sent bytes is not empty", () => {
  const table = [
    HEAD,
    "   0: 0100007F:C350 0100007F:1F90 01 000000A3:00000000 01:00000014 00000000     0",
    "   1: 0100007F:C351 0100007F:1F90 01 00000000:000000FF 00:00000000 00000000     0",
    "   2: 0100007F:C352 0100007F:1F91 01 000000A3:00000000 01:00000014 00000000     0",
    "   3: 0100007F:1F90 0100007F:C353 01 000000A3:00000000 01:00000014 00000000     0",
    "   4: 00000000000000000000000001000000:C354 00000000000000000000000001000000:1F90 01 00000001:00000000 01:00000014",
    "",
  ].join("\n");
  expect(portsIn(table, 8080)).toEqual([50_000, 50_004]);
  expect(portsIn("", 8080)).toEqual([]);
  expect(portsIn(HEAD, 8080)).toEqual([]);
});

it.skipIf(!existsSync("/proc/net/tcp"))("are those of a connection whose peer reads nothing", async () => {
  const server = await rawServer();
  const { port } = server;
  const client = connect(port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  await once(client, "connect");
  const peer = await server.accept();
  client.write("hello");
  await eventually(() => unacknowledgedTo(port).size === 0);
  peer.socket.pause();
  client.write(Buffer.alloc(32 * 1024 * 1024));
  await eventually(() => unacknowledgedTo(port).has(client.localPort!));
});

/** Both Close frames are exchanged, and a slow peer still reads what the kernel holds for it. */
import { expect, test } from "vitest";
import { openRaw, type RawClient } from "../tools/raw-client.js";
import { countsOf, reportWith } from "../tools/scenario.js";
import { serve } from "../tools/serve.js";
import { ms } from "../tools/timing.js";

const REPLY = Buffer.alloc(3 * 1024 * 1024, "reply");
/** Much less than it takes to read the reply. */
const LINGER_TIMEOUT = 50;

/** Reads a chunk, then nothing for a while, and so on. */
function readInSips(client: RawClient, pause: number): void {
  client.socket.on("data", () => {
    client.socket.pause();
    setTimeout(() => client.socket.resume(), pause);
  });
}

test("who sent Close first and reads slowly is not reset in the middle of its reply", async () => {
  const { server, port } = await serve(async (connection) => {
    for await (const _ of connection) connection.send(REPLY);
  });
  const client = await openRaw(port);
  readInSips(client, 4);
  client.send("a question");
  client.sendClose(1000, "that was all");
  const report = await server.shutdown({ lingerTimeout: LINGER_TIMEOUT, closeTimeout: ms(1_000) });
  await client.closed();
  expect(client.messages).toHaveLength(1);
  expect(REPLY.equals(client.messages[0] as Buffer)).toBe(true);
  expect({ close: client.close, ended: client.ended }).toEqual({
    close: { code: 1000, reason: "" },
    ended: "FIN",
  });
  expect(countsOf(report)).toEqual(reportWith("clean", { total: 1, left: 1 }, { served: 1 }));
  // It was waited for.
  expect(report.duration).toBeGreaterThan(2 * LINGER_TIMEOUT);
});

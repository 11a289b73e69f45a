/** A caller's HTTP server: what of it is ours, and how plain HTTP goes down with us. Who comes in is in memory. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { HttpHostListener } from "../../src/listen/http-host.js";
import { eventually } from "../tools/serve.js";
import { answer, asking, come, RecordingOwner } from "./recording-owner.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const EVENTS = ["connection", "upgrade", "request"];

interface Claim {
  listener: HttpHostListener;
  owner: RecordingOwner;
}

/** A server that listens, on which responses wait for the test. */
async function host(): Promise<{ server: Server; responses: ServerResponse[] }> {
  const responses: ServerResponse[] = [];
  const server = createServer((_request, response) => void responses.push(response));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, responses };
}

async function claim(server: Server, path?: string): Promise<Claim> {
  const owner = new RecordingOwner();
  const listener = new HttpHostListener(server, owner, path);
  onTestFinished(() => {
    owner.refusals.destroyAll();
    return listener.destroy();
  });
  await listener.open();
  return { listener, owner };
}

const PLAIN = ["GET / HTTP/1.1", "Host: localhost"];

describe("the upgrades of a caller's server", () => {
  test("go to the server of their path, and the others to the one without", async () => {
    const { server } = await host();
    const [chat, rest] = [await claim(server, "/chat"), await claim(server)];
    for (const path of ["/chat", "/chat?room=1", "/chat/", "/"]) come(server, asking(path));
    await turn();
    expect(chat.owner.upgrades.map(({ head }) => head.url)).toEqual(["/chat", "/chat?room=1"]);
    expect(rest.owner.upgrades.map(({ head }) => head.url)).toEqual(["/chat/", "/"]);
    expect((rest.owner.upgrades[0]!.stream as { allowHalfOpen?: boolean }).allowHalfOpen).toBe(true);
  });

  test("to no path of ours are refused, unless the caller takes upgrades too", async () => {
    const { server } = await host();
    await claim(server, "/chat");
    const refused = come(server, asking("/other"));
    await refused.sentEnd();
    expect(answer(refused)).toMatch(/^HTTP\/1\.1 404 /);
    refused.destroy();
    const callers: string[] = [];
    server.on("upgrade", (request) => callers.push(request.url!));
    const left = come(server, asking("/other"));
    await turn();
    expect([callers, answer(left)]).toEqual([["/other"], ""]);
  });

  test("of one path are one server's, until that has let go of it", async () => {
    const { server } = await host();
    const first = await claim(server, "/chat");
    const second = new HttpHostListener(server, new RecordingOwner(), "/chat");
    await expect(second.open()).rejects.toMatchObject({ code: "LASTCALL_INVALID_OPTION", option: "path" });
    await first.listener.destroy();
    await claim(server, "/chat");
  });

  test("are the caller's again when the last of us is gone: nothing of ours is left", async () => {
    const { server } = await host();
    const counts = (): number[] => EVENTS.map((event) => server.listenerCount(event));
    const before = counts();
    const claims = [await claim(server, "/a"), await claim(server, "/b")];
    const ours = counts();
    expect(ours).not.toEqual(before);
    await claims[0]!.listener.destroy();
    expect(counts()).toEqual(ours);
    await claims[1]!.listener.destroy();
    expect([counts(), server.listening]).toEqual([before, true]);
  });
});

describe("plain HTTP", () => {
  test("is the caller's, and counts for us only while it goes down with us", async () => {
    const { server, responses } = await host();
    const { listener, owner } = await claim(server);
    const socket = come(server, PLAIN);
    come(server);
    await turn();
    expect([listener.guests, responses.length]).toEqual([0, 1]);
    listener.stopAcceptingNow();
    expect([listener.guests > 0, server.listening]).toEqual([true, false]);
    responses[0]!.end("served");
    await socket.sentEnd();
    socket.destroy();
    await turn();
    expect(answer(socket)).toContain("Connection: close\r\n");
    expect([listener.guests, owner.gone > 0]).toEqual([1, true]);
  });

  test("goes down only with the last of the servers that share it", async () => {
    const { server } = await host();
    const [one, two] = [await claim(server, "/one"), await claim(server, "/two")];
    await one.listener.stopAccepting(1_000);
    expect([server.listening, one.listener.guests]).toEqual([true, 0]);
    const socket = come(server);
    await two.listener.stopAccepting(1_000);
    expect([server.listening, two.listener.guests]).toEqual([false, 1]);
    // It may still ask for the other one.
    one.listener.refuseSilent();
    await turn();
    expect([answer(socket), one.listener.guests, two.listener.guests]).toEqual(["", 0, 1]);
    two.listener.refuseSilent();
    await socket.sentEnd();
    expect(answer(socket)).toMatch(/^HTTP\/1\.1 503 /);
    // It is a guest until it is gone.
    expect(two.listener.guests).toBe(1);
    socket.destroy();
    await turn();
    expect(two.listener.guests).toBe(0);
  });

  test("that comes while we go down is answered as the last on its connection", async () => {
    const { server, responses } = await host();
    const { listener } = await claim(server);
    const socket = come(server);
    // What Node does since version 26 to who has not asked for anything.
    vi.spyOn(server, "closeIdleConnections").mockImplementation(() => void socket.destroy());
    onTestFinished(() => void vi.restoreAllMocks());
    listener.stopAcceptingNow();
    expect(socket.destroyed).toBe(false);
    vi.restoreAllMocks();
    socket.receive(`${PLAIN.join("\r\n")}\r\n\r\n`);
    await turn();
    responses[0]!.end("served");
    await socket.sentEnd();
    expect(answer(socket)).toContain("Connection: close\r\n");
  });

  test("lets a connection that is kept alive stay for a grace, and ends it with a FIN", async () => {
    const { server, responses } = await host();
    const { listener, owner } = await claim(server);
    const socket = come(server, PLAIN);
    await turn();
    responses[0]!.writeHead(200, { "Content-Length": 6 });
    responses[0]!.write("served");
    listener.beginShutdown();
    listener.stopAcceptingNow();
    responses[0]!.end();
    await turn();
    expect([listener.guests, answer(socket).includes("keep-alive"), socket.destroyed]).toEqual([
      1,
      true,
      false,
    ]);
    const told = owner.gone;
    await eventually(() => owner.gone > told);
    expect([listener.guests, socket.writableEnded]).toEqual([0, false]);
    const gone = listener.destroy();
    expect([socket.writableEnded, socket.destroyed]).toEqual([true, false]);
    // What crosses the FIN is not served: nobody could be told.
    socket.receive(`${PLAIN.join("\r\n")}\r\n\r\n`);
    await gone;
    expect([responses.length, socket.destroyed, listener.requests.answered]).toEqual([1, true, 1]);
  });
});

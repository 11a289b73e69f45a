import { describe, expect, test } from "vitest";
import { headOf } from "../../src/listen/request-head.js";
import { HANDSHAKE, parsed } from "./memory-request.js";

describe("the head of a request", () => {
  test("is its method, target, version and headers, and nothing of the parser", async () => {
    const { request } = await parsed(HANDSHAKE);
    expect(headOf(request)).toEqual({
      method: "GET",
      url: "/chat?room=1",
      httpVersion: "1.1",
      headers: {
        host: "localhost",
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
  });

  test("has what came several times as one string, also the one header that Node gives as a list", async () => {
    const lines = [
      "X-Same: 1",
      "X-Same: 2",
      "Cookie: a=1",
      "Cookie: b=2",
      "Set-Cookie: c=3",
      "Set-Cookie: d=4",
    ];
    const { request } = await parsed([...HANDSHAKE, ...lines]);
    const { headers } = headOf(request);
    expect(headers).toMatchObject({ "x-same": "1, 2", cookie: "a=1; b=2", "set-cookie": "c=3, d=4" });
    expect(headers["host"]).toBe("localhost");
    for (const value of Object.values(headers)) expect(typeof value).toBe("string");
  });

  test("has all its Hosts, of which Node shows the first", async () => {
    const { request } = await parsed([...HANDSHAKE, "HOST: other"]);
    expect(headOf(request).headers).toMatchObject({ host: "localhost, other", upgrade: "websocket" });
  });
});

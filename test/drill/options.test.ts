/** What becomes of the options: settings, an address, a dialect. */
import { describe, expect, it } from "vitest";
import {
  dialectOf,
  drillDefaults,
  namesOf,
  settingsOf,
  upgradeTarget,
  type DrillOptions,
} from "../../src/drill/options.js";
import { profileNames } from "../../src/drill/profiles.js";

describe("settings", () => {
  it("are the defaults where nothing is asked for", () => {
    const { seed, profiles, signal, promise, strict, acceptHandback, ...others } = settingsOf({});
    const { killSignal, startTimeout: _startTimeout, reply: _reply, ...defaults } = drillDefaults;
    expect(others).toEqual(defaults);
    expect({ profiles, signal, promise, strict, acceptHandback }).toEqual({
      profiles: ["pipelined"],
      signal: killSignal,
      promise: [],
      strict: false,
      acceptHandback: false,
    });
    expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31).toBe(true);
  });

  it("are what was asked for, also where that is nothing", () => {
    const asked = {
      connections: 2,
      requests: 3,
      interval: 0,
      size: 0,
      signalAfter: 0,
      timeout: 9,
      repeat: 4,
      seed: 0,
      lameDuck: 1,
      exitCodes: [3],
      promise: [1012],
      strict: true,
      acceptHandback: true,
    };
    const options: DrillOptions = { ...asked, profiles: ["far"], killSignal: "SIGINT" };
    expect(settingsOf(options)).toEqual({ ...asked, profiles: ["far"], signal: "SIGINT" });
  });

  it("have another seed each time", () => {
    const seeds = Array.from({ length: 10 }, () => settingsOf({}).seed);
    expect(new Set(seeds).size).toBeGreaterThan(5);
  });

  it("are copies: what a user does with a list later changes no report", () => {
    const exitCodes = [0];
    const { exitCodes: settled } = settingsOf({ exitCodes });
    exitCodes.push(1);
    expect(settled).toEqual([0]);
    expect(settingsOf({}).exitCodes).not.toBe(drillDefaults.exitCodes);
  });

  it("name all profiles, or each one once", () => {
    expect(namesOf({ profiles: "all" })).toEqual(profileNames);
    expect(namesOf({ profiles: ["far", "flood", "far"] })).toEqual(["far", "flood"]);
    expect(namesOf({})).toEqual(["pipelined"]);
  });
});

describe("an address", () => {
  it("is that of the command's port by default", () => {
    expect(upgradeTarget({}, 4711)).toEqual({
      endpoint: { host: "127.0.0.1", port: 4711, tls: undefined },
      host: "127.0.0.1:4711",
      path: "/",
      subprotocol: undefined,
      headers: [],
    });
  });

  it("has the port wherever it stands, the path and the query", () => {
    const { endpoint, path } = upgradeTarget({ url: "ws://localhost:{port}/{port}/chat?p={port}#x" }, 4711);
    expect(endpoint).toEqual({ host: "localhost", port: 4711, tls: undefined });
    expect(path).toBe("/4711/chat?p=4711");
  });

  it("has the port of its scheme where it names none", () => {
    expect(upgradeTarget({ url: "ws://example.org" }, undefined)).toMatchObject({
      endpoint: { port: 80 },
      host: "example.org",
      path: "/",
    });
    expect(upgradeTarget({ url: "wss://example.org" }, undefined).endpoint.port).toBe(443);
  });

  it("of TLS names its server, unless that has no name", () => {
    const tls = (url: string, insecure?: boolean) =>
      upgradeTarget(insecure === undefined ? { url } : { url, insecure }, undefined).endpoint.tls;
    expect(tls("wss://example.org/")).toEqual({ servername: "example.org", insecure: false });
    expect(tls("wss://127.0.0.1/", true)).toEqual({ servername: "", insecure: true });
    expect(tls("wss://[::ffff]/")).toEqual({ servername: "", insecure: false });
  });

  it("of IPv6 has brackets in the Host header and none for the system", () => {
    expect(upgradeTarget({ url: "ws://[::1]:81/" }, undefined)).toMatchObject({
      endpoint: { host: "::1", port: 81 },
      host: "[::1]:81",
    });
  });

  it("with a name and a password says them in a header", () => {
    const url = "ws://me:p%40ss@localhost/";
    const { headers, host } = upgradeTarget({ url, headers: { A: "b" } }, undefined);
    expect(headers).toEqual([
      ["Authorization", `Basic ${Buffer.from("me:p@ss").toString("base64")}`],
      ["A", "b"],
    ]);
    expect(host).toBe("localhost");
  });
});

describe("a dialect", () => {
  const details = { id: "lc-7f3a-1", connection: 1, number: 1, size: 0 };

  it("is that of an echo server by default", async () => {
    const { waitsForAck, ...dialect } = await dialectOf({});
    expect(waitsForAck).toBe(false);
    expect(dialect.request(1, details)).toBe("lc-7f3a-1");
    expect(dialect.match("lc-7f3a-1")).toEqual({ ids: ["lc-7f3a-1"] });
  });

  it("takes what the options say, and what a script says that is an object", async () => {
    const dialect = await dialectOf({
      message: "n {n}",
      reply: "order",
      open: "hello",
      openAck: "welcome",
      script: { request: (n) => `script ${n}` },
    });
    expect(dialect.opening(1)).toEqual(["hello"]);
    expect(dialect.waitsForAck).toBe(true);
    expect(dialect.request(7, details)).toBe("script 7");
    expect(dialect.match("x")).toBe("oldest");
  });

  it("needs a script that says something, or an empty one", async () => {
    await expect(dialectOf({ script: {} })).resolves.toBeDefined();
    await expect(dialectOf({ script: { send: 1 } as object })).rejects.toThrow(
      "The script 'script' exports nothing of what a drill looks for: open, ack, request, match.",
    );
    await expect(dialectOf({ script: "nowhere.mjs" })).rejects.toThrow(/^The script 'nowhere\.mjs' cannot/);
  });
});

/** The chat of examples/chat: its server with clients of the `ws` package, its page in headless Chromium. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { launchChromium } from "../tools/browser.js";
import { hasChromium } from "../tools/debian.js";
import { startNode, type Running } from "../tools/run-process.js";

interface Entry {
  key: string;
  id: string;
  name: string;
  text: string;
  at: string;
}

interface Chat extends Running {
  port: number;
}

async function startChat(port = 0, ...flags: string[]): Promise<Chat> {
  const running = startNode(["examples/chat/server.mjs", "--port", String(port), ...flags]);
  const [, taken] = await running.printed(/http:\S+:(\d+)/);
  return { ...running, port: Number(taken) };
}

/** With nothing lost; what comes behind the cut may be handed back, and its client says it again. */
async function stopClean(chat: Chat): Promise<void> {
  chat.child.kill("SIGTERM");
  expect(await chat.ended).toEqual({
    exit: 0,
    stdout: expect.stringMatching(
      /^Listening on .*\n(Clean shutdown in |Shutdown in .*, with messages handed back: )/,
    ) as string,
    stderr: "",
  });
}

/** A path for the history of one test. */
function historyFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "lastcall-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "history.json");
}

function readHistory(file: string): Entry[] {
  return JSON.parse(readFileSync(file, "utf8")) as Entry[];
}

interface FromServer {
  type: "welcome" | "here" | "said" | "ack" | "refused";
  history: Entry[];
  names: string[];
  entry: Entry;
  id: string;
  problem: string;
}

interface Closed {
  code: number;
  reason: string;
}

interface Guest {
  socket: WebSocket;
  /** All that came of this type. */
  got(type: FromServer["type"]): FromServer[];
  /** Resolves when the condition holds; looked at with each message. */
  until(condition: () => boolean): Promise<void>;
  say(id: string, text: string): void;
  closed: Promise<Closed>;
}

async function enter({ port }: Chat, name: string): Promise<Guest> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?${new URLSearchParams({ name })}`);
  const all: FromServer[] = [];
  socket.on("message", (data: Buffer) => all.push(JSON.parse(data.toString()) as FromServer));
  const closed = new Promise<Closed>((resolve) => {
    socket.once("close", (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, "open");
  return {
    socket,
    closed,
    got: (type) => all.filter((message) => message.type === type),
    say: (id, text) => socket.send(JSON.stringify({ id, text })),
    async until(condition) {
      while (!condition()) {
        if (socket.readyState === WebSocket.CLOSED) throw new Error(`It was closed before that.`);
        await Promise.race([once(socket, "message"), closed]);
      }
    },
  };
}

it("answers each message to its sender, and tells it to everybody else", async () => {
  const chat = await startChat();
  const alice = await enter(chat, "Alice");
  const bob = await enter(chat, "Bob");
  for (const id of ["one", "two", "three"]) alice.say(id, `${id}, she said`);
  await alice.until(() => alice.got("ack").length === 3);
  await bob.until(() => bob.got("said").length === 3);
  expect(alice.got("ack").map(({ id }) => id)).toEqual(["one", "two", "three"]);
  expect(alice.got("said")).toEqual([]);
  const heard = bob.got("said").map(({ entry }) => entry);
  expect(heard).toEqual(alice.got("ack").map(({ entry }) => entry));
  expect(heard.map(({ name, text }) => `${name}: ${text}`)).toEqual([
    "Alice: one, she said",
    "Alice: two, she said",
    "Alice: three, she said",
  ]);
  await stopClean(chat);
});

it("tells everybody who is there", async () => {
  const chat = await startChat();
  const alice = await enter(chat, "Alice");
  const bob = await enter(chat, "Bob 10");
  await enter(chat, "Bob 9");
  await enter(chat, "Alice");
  await alice.until(() => alice.got("here").length === 4);
  expect(alice.got("here").at(-1)?.names).toEqual(["Alice", "Bob 9", "Bob 10"]);
  bob.socket.close();
  await alice.until(() => alice.got("here").length === 5);
  expect(alice.got("here").at(-1)?.names).toEqual(["Alice", "Bob 9"]);
  await stopClean(chat);
});

it("refuses with 400 who has no name, or one that is none", async () => {
  const chat = await startChat();
  for (const name of ["", "  ", "x".repeat(25), "<b>", "a\nb", "\u202Eecila"]) {
    await expect(enter(chat, name), JSON.stringify(name)).rejects.toThrow("server response: 400");
  }
  await enter(chat, "x".repeat(24));
  await enter(chat, " Zoë O'Hara-Łoś 2 ");
  await stopClean(chat);
});

it("answers a message that is too long or empty with what is wrong, and goes on", async () => {
  const chat = await startChat();
  const alice = await enter(chat, "Alice");
  alice.say("long", "x".repeat(2_001));
  alice.say("empty", " \n");
  // The most that is allowed, in the form that takes the most bytes.
  alice.socket.send(`{"id":"${"i".repeat(64)}","text":"${"\\u00e9".repeat(2_000)}"}`);
  await alice.until(() => alice.got("ack").length === 1);
  expect(alice.got("refused")).toEqual([
    { type: "refused", id: "long", problem: "It is longer than 2000 characters." },
    { type: "refused", id: "empty", problem: "There is nothing in it." },
  ]);
  expect(alice.got("ack")[0]?.entry.text).toBe("é".repeat(2_000));
  await stopClean(chat);
});

it("closes on whoever sends what its page would not", async () => {
  const chat = await startChat();
  for (const data of ["hello", "null", "{}", `{"id":1,"text":""}`, `{"id":"${"i".repeat(65)}","text":""}`]) {
    const guest = await enter(chat, "Mallory");
    guest.socket.send(data);
    expect(await guest.closed, data).toEqual({ code: 1008, reason: "That is no message of this chat." });
  }
  await stopClean(chat);
});

it("closes on whoever sends more than any message has", async () => {
  const chat = await startChat();
  const guest = await enter(chat, "Mallory");
  guest.say("huge", "x".repeat(16 * 1024));
  expect(await guest.closed).toMatchObject({ code: 1009 });
  chat.child.kill("SIGTERM");
  // When the server has not seen it leave yet, the report may say so: nothing is read behind what is too large.
  expect(await chat.ended).toMatchObject({ exit: 0, stderr: "" });
});

it("gives the last messages to whoever comes, also when they were said in the run before", async () => {
  const file = historyFile();
  const flags = ["--keep", "3", "--history", file];
  const before = await startChat(0, ...flags);
  const alice = await enter(before, "Alice");
  for (const id of ["1", "2", "3", "4"]) alice.say(id, `number ${id}`);
  await alice.until(() => alice.got("ack").length === 4);
  await stopClean(before);

  const after = await startChat(0, ...flags);
  const bob = await enter(after, "Bob");
  bob.say("5", "number 5");
  await bob.until(() => bob.got("ack").length === 1);
  const chloe = await enter(after, "Chloe");
  await chloe.until(() => chloe.got("welcome").length === 1);
  const histories = [bob, chloe].map((guest) => guest.got("welcome")[0]?.history.map(({ text }) => text));
  expect(histories).toEqual([
    ["number 2", "number 3", "number 4"],
    ["number 3", "number 4", "number 5"],
  ]);
  await stopClean(after);
});

it("has taken what it answered and nothing else when SIGTERM ends a conversation", async () => {
  const file = historyFile();
  const chat = await startChat(0, "--keep", "1000", "--history", file);
  const guests = await Promise.all(["Alice", "Bob"].map((name) => enter(chat, name)));
  for (const guest of guests) {
    // Ten are under way at any time, to the very end.
    let said = 0;
    const next = (): void => guest.say(String(said), `message ${said++}`);
    guest.socket.on("message", (data: Buffer) => {
      if (data.toString().startsWith('{"type":"ack"')) next();
    });
    for (let count = 0; count < 10; count++) next();
  }
  await Promise.all(guests.map((guest) => guest.until(() => guest.got("ack").length >= 10)));
  await stopClean(chat);
  for (const guest of guests) expect((await guest.closed).code).toBe(1012);
  const history = readHistory(file);
  expect(history.length).toBeLessThan(1_000);
  const answered = guests.map((guest) => guest.got("ack").map(({ entry }) => entry.key));
  const taken = ["Alice", "Bob"].map((name) =>
    history.filter((entry) => entry.name === name).map(({ key }) => key),
  );
  expect(taken).toEqual(answered);
});

/** The path as it is: `fetch` would tidy it. */
async function get(
  { port }: Chat,
  path: string,
  method = "GET",
): Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }> {
  const sent = request({ port, host: "127.0.0.1", path, method, agent: false }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await textOf(response) };
}

it("serves the page's files, which may load and run nothing else", async () => {
  const chat = await startChat();
  for (const path of ["/", "/?name=Alice", "/page.js", "/link.js", "/style.css", "/icon.svg"]) {
    const { status, headers, body } = await get(chat, path);
    expect({ path, status, isEmpty: body === "" }).toEqual({ path, status: 200, isEmpty: false });
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; /);
    expect(headers["x-content-type-options"]).toBe("nosniff");
  }
  expect(await get(chat, "/", "HEAD")).toMatchObject({ status: 200, body: "" });
  await stopClean(chat);
});

it("serves no other file, whatever the path", async () => {
  const chat = await startChat();
  const climbs = ["/../server.mjs", "/%2e%2e/server.mjs", "/page/../../server.mjs", "//etc/passwd"];
  for (const path of ["/server.mjs", "/tsconfig.json", "/__proto__", "/chat", ...climbs]) {
    expect({ path, status: (await get(chat, path)).status }).toEqual({ path, status: 404 });
  }
  expect(await get(chat, "/", "POST")).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  await stopClean(chat);
});

describe.skipIf(!hasChromium)("the page in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  /** Opens the page and joins by keyboard. What it logs as an error fails the test. */
  async function open(chat: Chat, name: string): Promise<Page> {
    // A context of its own, narrow as a phone: what does not fit shows here.
    const context = await browser.newContext({ viewport: { width: 360, height: 640 } });
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("net::ERR_")) errors.push(message.text());
    });
    onTestFinished(async () => {
      await context.close();
      expect(errors).toEqual([]);
    });
    await page.addInitScript(COUNT_REPEATED);
    await page.goto(`http://127.0.0.1:${chat.port}/`);
    await page.keyboard.type(name);
    await page.keyboard.press("Enter");
    await stateIs(page, "connected");
    return page;
  }

  /** Counts the messages that were given to a socket before. */
  const COUNT_REPEATED = `{
    const given = new Set();
    const { send } = WebSocket.prototype;
    window.repeated = 0;
    WebSocket.prototype.send = function (data) {
      if (given.has(data)) repeated++;
      given.add(data);
      send.call(this, data);
    };
  }`;

  /** Says one message after another until the connection is lost, and five more; returns them. */
  const BURST = `async (prefix) => {
    const said = [];
    let left = 5;
    while (left > 0) {
      const text = prefix + " " + said.length;
      said.push(text);
      document.getElementById("text").value = text;
      document.getElementById("compose").requestSubmit();
      if (document.getElementById("status").dataset.kind !== "connected") left--;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return said;
  }`;

  const stateIs = (page: Page, kind: string): Promise<unknown> =>
    page.waitForSelector(`#status[data-kind="${kind}"]`);

  const isAnswered = (page: Page): Promise<unknown> =>
    page.waitForSelector("#unanswered:empty", { state: "attached" });

  async function say(page: Page, text: string): Promise<void> {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  }

  const log = (page: Page): Promise<string[]> => page.locator("#log .text").allTextContents();

  it("lets two people talk, tells one's own messages apart, and takes nothing typed for markup", async () => {
    const chat = await startChat();
    const alice = await open(chat, "Alice");
    expect(await alice.innerText("#empty")).toBe("Nobody has said anything yet.");
    const bob = await open(chat, "Bob");
    await alice.waitForSelector("#names li:nth-child(2)");
    expect(await alice.locator("#names li").allInnerTexts()).toEqual(["Alice (you)", "Bob"]);
    const markup = `<img src=x onerror="document.title='broken in'"><b>bold</b>`;
    await say(alice, markup);
    await bob.waitForSelector("#log li");
    await bob.keyboard.type("two");
    await bob.keyboard.press("Shift+Enter");
    await bob.keyboard.type("lines");
    await bob.keyboard.press("Enter");
    await alice.waitForSelector("#log li:nth-child(2)");
    await say(alice, "longerthanany".repeat(20));
    await bob.waitForSelector("#log li:nth-child(3)");
    await isAnswered(alice);
    for (const page of [alice, bob]) {
      expect(await log(page)).toEqual([markup, "two\nlines", "longerthanany".repeat(20)]);
      expect(await page.locator("#log img, #log .text b").count()).toBe(0);
      expect(await page.title()).toBe("Chat");
      expect(await page.isVisible("#empty")).toBe(false);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
      expect(await page.evaluate("scroll.scrollWidth === scroll.clientWidth")).toBe(true);
    }
    expect(await alice.locator("#log .own").count()).toBe(2);
    expect(await bob.locator("#log .own").count()).toBe(1);
    await stopClean(chat);
  });

  it("keeps at its door whoever gives a name that the server would refuse", async () => {
    const chat = await startChat();
    const page = await open(chat, "Alice");
    await page.reload();
    for (const name of ["", " ", "<b>", "-"]) {
      await page.fill("#name", name);
      await page.press("#name", "Enter");
      expect(await page.isVisible("#room"), name).toBe(false);
    }
    await page.fill("#name", " Zoë O'Hara-Łoś 2 ");
    await page.press("#name", "Enter");
    await stateIs(page, "connected");
    await page.waitForSelector("text=Zoë O'Hara-Łoś 2 (you)");
    await stopClean(chat);
  });

  it("loses and doubles nothing when the server is restarted in the middle of a burst", async () => {
    const flags = ["--keep", "1000", "--history", historyFile()];
    let chat = await startChat(0, ...flags);
    const alice = await open(chat, "Alice");
    const bob = await open(chat, "Bob");
    const said: Record<string, string[]> = { Alice: [], Bob: [] };
    let repeated = 0;
    // Whether a message crosses the Close on its way is for chance to say. One at least must have had to be repeated.
    for (let restart = 1; repeated === 0; restart++) {
      const before = await bob.locator("#log li:not(.own)").count();
      const bursts = [alice, bob].map((page, index) => {
        const prefix = `${["Alice", "Bob"][index]}, before restart ${restart},`;
        return page.evaluate<string[]>(`(${BURST})(${JSON.stringify(prefix)})`);
      });
      await bob.waitForSelector(`#log li:not(.own) >> nth=${before + 5}`, { state: "attached" });
      await stopClean(chat);
      const [ofAlice, ofBob] = await Promise.all(bursts);
      said["Alice"]!.push(...ofAlice!);
      said["Bob"]!.push(...ofBob!);
      expect(await alice.innerText("#state")).toBe("Server is restarting, reconnecting");
      chat = await startChat(chat.port, ...flags);
      for (const page of [alice, bob]) {
        await stateIs(page, "connected");
        await isAnswered(page);
        repeated += await page.evaluate<number>("repeated");
      }
    }
    // All that was sent before Close is there when the pages know of it.
    await stopClean(chat);
    for (const page of [alice, bob]) await stateIs(page, "restarting");
    const history = readHistory(flags.at(-1)!);
    for (const name of ["Alice", "Bob"]) {
      expect(history.filter((entry) => entry.name === name).map(({ text }) => text)).toEqual(said[name]);
    }
    const all = history.map(({ text }) => text);
    expect(await log(alice)).toEqual(all);
    expect(await log(bob)).toEqual(all);
  });

  /** A page whose server has died with a message of it unread, and that has said another one since. */
  async function losing(file: string): Promise<{ chat: Chat; alice: Page }> {
    const chat = await startChat(0, "--history", file);
    const alice = await open(chat, "Alice");
    // It cannot read what comes now.
    chat.child.kill("SIGSTOP");
    await say(alice, "into the dark");
    expect(await alice.innerText("#unanswered .fate")).toBe("sending");
    chat.child.kill("SIGKILL");
    await stateIs(alice, "offline");
    await say(alice, "while away");
    expect(await alice.locator("#unanswered .fate").allTextContents()).toEqual([
      "may not have arrivedRetryDiscard",
      "sending",
    ]);
    expect(await alice.textContent("#news")).toBe("1 of your messages may not have arrived.");
    return { chat, alice };
  }

  it("asks before it sends again what may have arrived, and sends the rest unasked", async () => {
    const file = historyFile();
    const { chat, alice } = await losing(file);
    const successor = await startChat(chat.port, "--history", file);
    await alice.waitForSelector("#log li");
    expect(await log(alice)).toEqual(["while away"]);
    expect(await alice.locator("#unanswered .text").allTextContents()).toEqual(["into the dark"]);
    await alice.click("text=Retry");
    await isAnswered(alice);
    expect(await log(alice)).toEqual(["while away", "into the dark"]);
    expect(await alice.textContent("#news")).toBe("");
    await stopClean(successor);
  });

  it("forgets a doubtful message that is discarded", async () => {
    const file = historyFile();
    const { chat, alice } = await losing(file);
    await alice.click("text=Discard");
    const successor = await startChat(chat.port, "--history", file);
    await isAnswered(alice);
    await stopClean(successor);
    expect(readHistory(file).map(({ text }) => text)).toEqual(["while away"]);
  });

  it("does not ask about a doubtful message that the history shows to have arrived", async () => {
    const file = historyFile();
    const { chat, alice } = await losing(file);
    const id = await alice.getAttribute("#unanswered li", "data-id");
    const entry = { key: "k", id, name: "Alice", text: "into the dark", at: new Date().toISOString() };
    writeFileSync(file, JSON.stringify([entry]));
    const successor = await startChat(chat.port, "--history", file);
    await isAnswered(alice);
    expect(await log(alice)).toEqual(["into the dark", "while away"]);
    await stopClean(successor);
  });
});

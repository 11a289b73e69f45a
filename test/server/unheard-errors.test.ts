/** What is told of errors that no `onError` hears. */
import { expect, onTestFinished, test, vi } from "vitest";
import { UnheardErrors } from "../../src/server/unheard-errors.js";

vi.mock("../../src/base/real-timers.js", () => import("../tools/fakeable-timers.js"));

interface Warning extends Error {
  code?: string;
  detail?: string;
}

/** Warnings of this process, once they have come: Node tells of them in the next tick. */
function warnings(): () => Promise<Warning[]> {
  const seen: Warning[] = [];
  const listener = (warning: Warning): void => {
    if (warning.name === "LastcallWarning") seen.push(warning);
  };
  process.on("warning", listener);
  onTestFinished(() => void process.off("warning", listener));
  return async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return seen.splice(0);
  };
}

function failing(message: string): Error {
  return new Error(message);
}

test("an error that nobody hears is a warning, with where it was thrown", async () => {
  const told = warnings();
  new UnheardErrors().tell(failing("no such user"), "An error in a handler");
  expect(await told()).toMatchObject([
    {
      name: "LastcallWarning",
      code: "LASTCALL_UNHEARD_ERROR",
      message: "An error in a handler: Error: no such user",
      detail: expect.stringMatching(/^ +at failing .*unheard-errors\.test\.ts/) as string,
    },
  ]);
});

test("the same mistake is told once in a minute, whatever its message says, and then how often it came", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const told = warnings();
  const unheard = new UnheardErrors();
  for (let user = 0; user < 1_000; user++) unheard.tell(failing(`no user ${user}`), "An error");
  expect((await told()).map(({ message }) => message)).toEqual(["An error: Error: no user 0"]);
  vi.advanceTimersByTime(60_000);
  unheard.tell(failing("no user"), "An error");
  unheard.tell(failing("no user"), "An error");
  const [again, ...others] = await told();
  expect(again!.message).toBe("An error: Error: no user (It came 999 times more since.)");
  expect(others).toEqual([]);
});

test("another mistake is another kind, by its place, its class or its code", async () => {
  const told = warnings();
  const unheard = new UnheardErrors();
  const elsewhere = (): Error => new Error("elsewhere");
  unheard.tell(failing("one"), "An error");
  unheard.tell(elsewhere(), "An error");
  unheard.tell(Object.assign(failing("one"), { code: "EPIPE" }), "An error");
  unheard.tell(Object.assign(failing("one"), { name: "TypeError" }), "An error");
  expect(await told()).toHaveLength(4);
});

test("a flood of different kinds ends at sixteen a minute", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const told = warnings();
  const unheard = new UnheardErrors();
  for (let kind = 0; kind < 1_000; kind++) unheard.tell(`kind ${kind}`, "An error");
  expect(await told()).toHaveLength(16);
  vi.advanceTimersByTime(60_000);
  unheard.tell("kind 999", "An error");
  expect(await told()).toHaveLength(1);
});

test("what is thrown may be anything, of any length", async () => {
  const told = warnings();
  const unheard = new UnheardErrors();
  for (const thrown of [undefined, null, 7, Object.create(null), "x".repeat(1e6)])
    unheard.tell(thrown, "An error");
  const long = failing("y".repeat(1e6));
  unheard.tell(long, "An error");
  const seen = await told();
  expect(seen).toHaveLength(6);
  for (const { message, detail = "" } of seen) expect(message.length + detail.length).toBeLessThan(3_000);
});

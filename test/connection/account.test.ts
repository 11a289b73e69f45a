import { describe, expect, test } from "vitest";
import { Account, type Tallying } from "../../src/connection/account.js";

const connection = { id: "7", remoteAddress: "192.0.2.1", handlerRuns: false };
const why = { cause: "reset", detail: "ECONNRESET" } as const;
const machine = { end: "closed", unproven: false, reset: false, gaveUp: false, why } as const;
const held = { queued: 2, unsentBytes: 300, running: 1, handlerRuns: true };

function books(): { tally: Tallying["tally"] } {
  return { tally: { served: 0, handedBack: 0, undelivered: 0, abandoned: 0 } };
}

describe("the books of a connection", () => {
  test("count each kind of message for itself", () => {
    const { tally, account } = ((shared) => ({ ...shared, account: new Account(shared) }))(books());
    account.served(1);
    account.served(1);
    account.handedBack(3);
    account.undelivered(4);
    account.abandoned(5);
    expect(tally).toEqual({ served: 2, handedBack: 3, undelivered: 4, abandoned: 5 });
  });

  test("count in the books of the shutdown from the moment that there are some", () => {
    const shared = books();
    const before = shared.tally;
    const account = new Account(shared);
    account.served(1);
    shared.tally = books().tally;
    account.served(2);
    expect([before.served, shared.tally.served]).toEqual([1, 2]);
  });

  test("count what was in hand when the connection was forced as abandoned, and never as served", () => {
    const shared = books();
    const account = new Account(shared);
    expect(account.isForced).toBe(false);
    account.forced(held, 3);
    expect(account.isForced).toBe(true);
    account.served(3);
    expect(shared.tally).toMatchObject({ served: 0, abandoned: 3 });
  });

  test("tell how the connection ended, and what of its own was never delivered", () => {
    const shared = books();
    const account = new Account(shared);
    new Account(shared).undelivered(9);
    account.undelivered(2);
    account.socketClosed(120, true);
    expect(account.unsentBytes).toBe(120);
    expect(
      account.entry(connection, { end: "unconfirmed", unproven: true, reset: true, gaveUp: true, why }),
    ).toEqual({
      id: "7",
      remoteAddress: "192.0.2.1",
      cause: "reset",
      detail: "ECONNRESET",
      end: "unconfirmed",
      unproven: true,
      reset: true,
      gaveUp: true,
      queued: 0,
      unsentBytes: 120,
      running: 0,
      undelivered: 2,
      unreadUnknown: true,
      handlerRuns: false,
    });
  });

  test("tell of a forced connection what it held at that moment, whatever became of it", () => {
    const account = new Account(books());
    account.forced(held, 1);
    account.socketClosed(0, false);
    expect(account.entry(connection, { ...machine, end: "forced" })).toMatchObject({
      queued: 2,
      unsentBytes: 300,
      running: 1,
      handlerRuns: true,
    });
  });

  test("say that the handler runs when it does now, or did when the connection was forced", () => {
    const account = new Account(books());
    expect(account.entry({ ...connection, handlerRuns: true }, machine).handlerRuns).toBe(true);
    account.forced({ ...held, handlerRuns: false }, 0);
    expect(account.entry({ ...connection, handlerRuns: true }, machine).handlerRuns).toBe(true);
    expect(account.entry(connection, machine).handlerRuns).toBe(false);
  });
});

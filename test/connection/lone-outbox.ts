/** An outbox on a socket in memory, and what it tells its owner. */
import { onTestFinished } from "vitest";
import type { OutboxLimits } from "../../src/connection/options.js";
import { Outbox } from "../../src/connection/outbox.js";
import { MemorySocket } from "../tools/memory-socket.js";

export interface LoneOutbox {
  outbox: Outbox;
  socket: MemorySocket;
  /** What its owner was told, in order, without that something was written. */
  told: ("full" | "low" | "bytes gone")[];
  /** `bufferedAmount` each time that its owner was told of a write. */
  writtenAt: number[];
}

export function loneOutbox(limits: Partial<OutboxLimits> = {}): LoneOutbox {
  const socket = new MemorySocket({ allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const told: LoneOutbox["told"] = [];
  const writtenAt: number[] = [];
  const owner = {
    onOutboxFull: () => told.push("full"),
    onOutboxLow: () => told.push("low"),
    onWritten: () => writtenAt.push(outbox.bufferedAmount),
    // As its owner must.
    onBytesGone: () => void (told.push("bytes gone"), socket.destroy()),
  };
  const outbox = new Outbox(socket, owner, {
    highWaterMark: 1_000,
    outboxLimit: 10_000,
    ...limits,
  });
  return { outbox, socket, told, writtenAt };
}

/** Waits for the first of these, and at most so many milliseconds. No timer is left. */
import { setTimeout, clearTimeout } from "./real-timers.js";

export async function within(duration: number, ...promises: Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, duration)));
  try {
    await Promise.race([patience, ...promises]);
  } finally {
    clearTimeout(timer);
  }
}

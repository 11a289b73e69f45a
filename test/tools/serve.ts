/** A server on a free port that is closed after the test, whatever the test did. */
import { onTestFinished } from "vitest";
import { createServer, type Handler, type Server, type ServerOptions } from "../../src/index.js";

export interface Served<Principal> {
  server: Server<Principal>;
  port: number;
  /** What reached `onError`. */
  errors: unknown[];
}

export async function serve<Principal = undefined>(
  handler: Handler<Principal>,
  options: ServerOptions<Principal> = {},
): Promise<Served<Principal>> {
  const errors: unknown[] = [];
  const server = createServer({ onError: (error) => errors.push(error), ...options }, handler);
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  onTestFinished(async () => {
    await server.close();
  });
  return { server, port, errors };
}

/** What `run` is told by that nobody ever stops. */
export const untold = { shutdown: new AbortController().signal };

/** A gate that a test opens: handlers wait for it instead of for time. */
export function gate(): { open(): void; passed: Promise<void> } {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

/** Resolves when `condition` holds, looked at once a turn of the event loop; the test's own timeout bounds it. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Timers that are set, once those of earlier tests are gone; for a test to compare. */
export async function noTimers(): Promise<() => number> {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  await eventually(() => timers() === 0);
  return timers;
}

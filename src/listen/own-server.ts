/** The server behind a port, a path or a descriptor that we listen on ourselves. */
import { Server } from "node:net";

/**
 * Nobody else has it, but Node's cluster: `worker.disconnect()` closes all servers of a worker, and waits for their
 * connections. Node says nothing before those are gone.
 */
export class OwnServer extends Server {
  /** Called at each `close()`, whoever calls it. */
  onClosing = (): void => {};

  override close(callback?: (error?: Error) => void): this {
    super.close(callback);
    this.onClosing();
    return this;
  }
}

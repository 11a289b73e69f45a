/** What a server does is tried out before the load, where a profile asks for what not every server has to do. */
import type { Conversation } from "./conversation.js";
import type { Timers } from "./timers.js";

/** How long a probe waits to be let in, and for its next reply. */
const PATIENCE = 5_000;

/** Whether a client that does this once it is open gets all its replies. The probe is over afterwards. */
export async function isAnswered(
  probe: Conversation,
  act: (probe: Conversation) => void,
  timers: Timers,
  stopped: Promise<void>,
): Promise<boolean> {
  const { client, requests } = probe;
  const asking = async (): Promise<void> => {
    await client.connect();
    await Promise.race([probe.open(), timers.after(PATIENCE)]);
    if (!probe.isOpen) return;
    act(probe);
    let answered: number;
    do {
      ({ answered } = probe);
      const more = probe.until(() => probe.answered > answered || client.isOver);
      await Promise.race([more, timers.after(PATIENCE)]);
    } while (probe.answered > answered && probe.answered < requests.length);
  };
  try {
    await Promise.race([asking(), stopped]);
    client.leave();
    return requests.length > 0 && probe.answered === requests.length;
  } finally {
    probe.destroy();
  }
}

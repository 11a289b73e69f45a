/**
 * What the kernel has taken, the latest of it in stretches: so that it can be said how many messages were lost with what
 * it never delivered. A write is added to the stretch before it until that is long, so the log costs next to nothing.
 */

/** Bytes of a stretch; a single write may be longer. */
const STRETCH = 64 * 1024;
/** Stretches that are remembered: Linux holds up to 4 MiB for a peer, unless it is told otherwise. */
const REMEMBERED = 128;

const NONE: number[] = [];

export class TakenLog {
  /** All bytes that were taken. */
  bytes = 0;
  #latestBytes = 0;
  #latestMessages = 0;
  /** How many stretches have ended, and the last of them, each at its number modulo `REMEMBERED`. */
  #ended = 0;
  // Numbers in place, and no object for each: those that live so long cost the collector more than the echo did.
  #endedBytes = NONE;
  #endedMessages = NONE;

  /** The kernel has taken so many bytes, in which so many messages end. */
  add(bytes: number, messages: number): void {
    this.bytes += bytes;
    if (this.#latestBytes > 0 && this.#latestBytes + bytes > STRETCH) this.#endStretch();
    this.#latestBytes += bytes;
    this.#latestMessages += messages;
  }

  #endStretch(): void {
    if (this.#ended === 0) [this.#endedBytes, this.#endedMessages] = [[], []];
    const at = this.#ended % REMEMBERED;
    this.#endedBytes[at] = this.#latestBytes;
    this.#endedMessages[at] = this.#latestMessages;
    this.#ended++;
    this.#latestBytes = 0;
    this.#latestMessages = 0;
  }

  /** How many messages may end within the last so many bytes. Within a stretch they are taken to be of one length. */
  messagesWithin(lastBytes: number): number {
    let rest = lastBytes;
    const within = (bytes: number, messages: number): number => {
      const share = Math.min(Math.max(rest, 0), bytes) / Math.max(bytes, 1);
      rest -= bytes;
      return Math.ceil(messages * share);
    };
    let messages = within(this.#latestBytes, this.#latestMessages);
    const oldest = Math.max(0, this.#ended - REMEMBERED);
    for (let stretch = this.#ended - 1; stretch >= oldest && rest > 0; stretch--) {
      const at = stretch % REMEMBERED;
      messages += within(this.#endedBytes[at]!, this.#endedMessages[at]!);
    }
    return messages;
  }
}

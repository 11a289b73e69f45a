/**
 * What the kernel has taken, the latest of it in stretches: so that it can be said how many messages were lost with what
 * it never delivered. A write is added to the stretch before it until that is long, so the log costs next to nothing.
 */

/** Bytes of a stretch; a single write may be longer. */
const STRETCH = 64 * 1024;
/** Stretches that are remembered: Linux holds up to 4 MiB for a peer, unless it is told otherwise. */
const REMEMBERED = 128;

interface Stretch {
  bytes: number;
  messages: number;
}

const NONE: Stretch[] = [];

export class TakenLog {
  /** All bytes that were taken. */
  bytes = 0;
  #latestBytes = 0;
  #latestMessages = 0;
  /** The stretches before the latest, in order. Made for the first of them. */
  #before: Stretch[] = NONE;

  /** The kernel has taken so many bytes, in which so many messages end. */
  add(bytes: number, messages: number): void {
    this.bytes += bytes;
    if (this.#latestBytes > 0 && this.#latestBytes + bytes > STRETCH) this.#endStretch();
    this.#latestBytes += bytes;
    this.#latestMessages += messages;
  }

  #endStretch(): void {
    const stretch = { bytes: this.#latestBytes, messages: this.#latestMessages };
    if (this.#before === NONE) this.#before = [stretch];
    else this.#before.push(stretch);
    if (this.#before.length > REMEMBERED) this.#before.shift();
    this.#latestBytes = 0;
    this.#latestMessages = 0;
  }

  /** How many messages may end within the last so many bytes. Within a stretch they are taken to be of one length. */
  messagesWithin(lastBytes: number): number {
    let [messages, rest] = [0, lastBytes];
    const latest = { bytes: this.#latestBytes, messages: this.#latestMessages };
    for (const stretch of [latest, ...this.#before.toReversed()]) {
      if (rest <= 0) break;
      messages += Math.ceil((stretch.messages * Math.min(rest, stretch.bytes)) / Math.max(stretch.bytes, 1));
      rest -= stretch.bytes;
    }
    return messages;
  }
}

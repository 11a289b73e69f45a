/** The peers of the stories: what they do, and what they see. */
import { Opcode, encodeFrame } from "../../src/wire/frame.js";
import { connectRaw, type RawClient, type RawClientOptions, type Target } from "../tools/raw-client.js";
import { ms, work } from "../tools/timing.js";
import type { PeerKind, PeerPlan } from "./story.js";

/** How late a peer answers that is late to answer. */
const LATE = ms(60);

const OPTIONS: Partial<Record<PeerKind, RawClientOptions>> = {
  "late to answer": { answersPing: false },
  "silent on Ping": { answersPing: false },
  "silent on Close": { answersClose: false },
  "silent on FIN": { answersEnd: false },
  "sending on": { answersClose: false },
};

/** Those that ask to be upgraded only when the shutdown has begun, if at all. */
const LATE_KINDS: readonly PeerKind[] = ["late with its handshake", "without a word", "coming late"];

export class StoryPeer {
  readonly plan: PeerPlan;
  readonly #target: Target;
  readonly #options: RawClientOptions;
  client: RawClient | undefined;
  /** Messages that were written to the socket. */
  sent = 0;
  /** Why it could not connect, if so. */
  refused: string | undefined;
  #answered = 0;

  constructor(plan: PeerPlan, number: number, target: Target, compression: boolean) {
    this.plan = plan;
    this.#target = target;
    const extensions = compression ? "permessage-deflate" : "";
    this.#options = { ...OPTIONS[plan.kind], extensions, path: `/${number}` };
  }

  get isLate(): boolean {
    return LATE_KINDS.includes(this.plan.kind);
  }

  /** Whether the server has said that it has read all messages. */
  get provenToBeRead(): boolean {
    return this.client !== undefined && this.client.pongs.length > 0;
  }

  /** What it does before the shutdown. */
  async begin(): Promise<void> {
    if (this.plan.kind === "coming late") return;
    this.client = await connectRaw(this.#target, this.#options);
    if (!this.isLate) await this.#open(this.client);
  }

  /** What it does when the shutdown has begun. */
  async goOn(): Promise<void> {
    try {
      if (this.plan.kind === "coming late") this.client = await connectRaw(this.#target, this.#options);
      if (this.isLate && this.plan.kind !== "without a word") await this.#open(this.client!);
    } catch (error) {
      this.refused =
        this.client?.response?.status.toString() ?? (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  async #open(client: RawClient): Promise<void> {
    client.sendHandshake();
    await client.opened();
    const { kind } = this.plan;
    if (kind === "late to answer") client.onEach("ping", () => void this.#answerLate(client));
    if (kind === "sending on") client.onEach("close", () => this.#sendThrough(client));
    if (kind === "conversing") {
      client.onEach("message", () => this.#sendNext(client));
      this.#sendNext(client);
      return;
    }
    for (let message = 0; message < this.plan.messages; message++) this.#sendNext(client);
    client.ping();
    this.#endMessages(client);
  }

  #sendNext(client: RawClient): void {
    if (this.sent >= this.plan.messages || client.close !== undefined) return;
    const message = `${this.sent++} ${"x".repeat(this.plan.padding)}`;
    // Every other one is compressed, where that was agreed on.
    if (client.deflates && this.sent % 2 === 0) client.sendCompressed(message);
    else client.send(message);
  }

  #endMessages(client: RawClient): void {
    const mask = Buffer.from([1, 2, 3, 4]);
    switch (this.plan.kind) {
      case "closing":
        return client.sendClose(1000, "bye");
      case "half-closing":
        return client.end();
      case "resetting":
        return client.reset();
      case "vanishing":
        return client.destroy();
      case "not reading":
        client.socket.pause();
        return;
      case "stopping in a frame":
        return client.write(encodeFrame(Opcode.binary, Buffer.alloc(1_000), { mask }).subarray(0, 10));
      case "stopping in a message":
        return client.sendFrame(Opcode.text, "a beginning", false);
      case "violating":
        return client.write(encodeFrame(Opcode.text, "without a mask"));
    }
  }

  async #answerLate(client: RawClient): Promise<void> {
    const ping = client.pings[this.#answered++]!;
    await work(LATE);
    client.sendFrame(Opcode.pong, ping);
  }

  /** What it had still to say when it saw the Close. */
  #sendThrough(client: RawClient): void {
    for (let more = 0; more < 5; more++) client.send(`${this.sent++} `);
    client.sendClose(client.close!.code);
  }
}

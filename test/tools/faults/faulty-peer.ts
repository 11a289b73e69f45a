/** What all faults share: the peer that has one, and how it sends. */
import { Opcode, encodeFrame } from "../../../src/wire/frame.js";
import { connectSocket, type Target } from "../connect.js";
import { RawClient, type RawClientOptions } from "../raw-client.js";

export interface FaultOptions {
  path?: string;
  /** How many messages it sends first, where its fault is not about sending. Default 3. */
  requests?: number;
  /**
   * The message with this number. Default: the number itself, as text. When it takes no number, all messages are the
   * same, and a flood of them costs its sender next to nothing.
   */
  request?: (index: number) => string | Buffer;
}

/** Starts a peer with one fault. Resolves when the fault has begun to show; what the server does is not waited for. */
export type Fault<Options = FaultOptions> = (target: Target, options?: Options) => Promise<FaultyPeer>;

/** Bytes that are handed to the socket at a time. */
const BLOCK_LENGTH = 64 * 1024;

/** Any will do: nobody looks at these bytes on their way. */
const MASK = Buffer.from([7, 77, 177, 17]);

/** A peer that misbehaves. Whoever started it destroys it. */
export class FaultyPeer {
  /** What it has seen of the server. */
  readonly client: RawClient;
  /** Resolves when its socket is closed in both directions. */
  readonly done: Promise<void>;
  readonly #request: (index: number) => string | Buffer;
  #same: Buffer | undefined;
  #sent = 0;
  #forgotten = 0;

  constructor(client: RawClient, { request = String }: FaultOptions = {}) {
    this.client = client;
    this.#request = request;
    this.done = client.closed();
  }

  /** Messages that were handed to the socket. */
  get sent(): number {
    return this.#sent;
  }

  /** Messages that have come, also those that are not kept. */
  get received(): number {
    return this.#forgotten + this.client.messages.length;
  }

  destroy(): void {
    this.client.destroy();
  }

  /** Hands the next messages to the socket, whether it takes them or not, and in one piece. */
  send(count: number): void {
    this.client.socket.cork();
    for (let index = 0; index < count; index++) this.client.send(this.#request(this.#sent++));
    this.client.socket.uncork();
  }

  /**
   * Sends as fast as the socket takes it, until it has sent so many messages in all or `isOver` says so. What the
   * socket does not take is not made, and replies are not kept, so that the process does not grow.
   */
  async pour(total: number, isOver: () => boolean = () => false): Promise<void> {
    const { socket } = this.client;
    while (this.#sent < total && socket.writable && !isOver()) {
      if (!socket.write(this.#nextBlock(total))) await untilDrained(this.client);
      this.#forget();
    }
  }

  /** Frames that are handed to the socket together. */
  #nextBlock(total: number): Buffer {
    if (this.#request.length > 0) return this.#encode(total);
    this.#same ??= encodeMessage(this.#request(0));
    const count = Math.min(Math.ceil(BLOCK_LENGTH / this.#same.length), total - this.#sent);
    this.#sent += count;
    return Buffer.alloc(count * this.#same.length, this.#same);
  }

  #encode(total: number): Buffer {
    const frames: Buffer[] = [];
    let length = 0;
    while (length < BLOCK_LENGTH && this.#sent < total) {
      const frame = encodeMessage(this.#request(this.#sent++));
      frames.push(frame);
      length += frame.length;
    }
    return Buffer.concat(frames);
  }

  #forget(): void {
    this.#forgotten += this.client.messages.length;
    this.client.messages.length = 0;
    this.client.log.length = 0;
  }
}

function encodeMessage(message: string | Buffer): Buffer {
  return encodeFrame(typeof message === "string" ? Opcode.text : Opcode.binary, message, { mask: MASK });
}

/** Connects without asking for anything. */
export async function connectFaulty(
  target: Target,
  options: FaultOptions = {},
  client: RawClientOptions = {},
): Promise<FaultyPeer> {
  const { path = "/" } = options;
  return new FaultyPeer(new RawClient(await connectSocket(target), { path, ...client }), options);
}

/** Connects and completes the handshake. */
export async function openFaulty(
  target: Target,
  options: FaultOptions = {},
  client: RawClientOptions = {},
): Promise<FaultyPeer> {
  const peer = await connectFaulty(target, options, client);
  peer.client.sendHandshake();
  await peer.client.opened();
  return peer;
}

/** Connects, completes the handshake and sends the first messages: whoever has replies to get can miss them. */
export async function askFaulty(
  target: Target,
  options: FaultOptions = {},
  client: RawClientOptions = {},
): Promise<FaultyPeer> {
  const peer = await openFaulty(target, options, client);
  peer.send(options.requests ?? 3);
  return peer;
}

/** Resolves when the socket takes more again, or is gone. */
function untilDrained({ socket }: RawClient): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      socket.off("drain", settle);
      socket.off("close", settle);
      resolve();
    };
    socket.on("drain", settle);
    socket.on("close", settle);
  });
}

/**
 * A WebSocket client on a plain socket, built on our frames so that it can misbehave, and that records all it sees.
 */
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { encodeClosePayload } from "../../src/wire/close.js";
import { Decoder } from "../../src/wire/decoder.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { acceptKey } from "../../src/wire/handshake.js";
import { connectSocket, resetSocket, type Target } from "./connect.js";
import { PeerDeflate } from "./peer-deflate.js";

export interface RawClientOptions {
  /** Answer Pings. Default true. */
  answersPing?: boolean;
  /** Answer Close. Default true. */
  answersClose?: boolean;
  /** End TCP at the server's FIN. Default true. */
  answersEnd?: boolean;
  /** The extensions to offer; when the server accepts permessage-deflate, what it compresses is inflated. */
  extensions?: string;
  headers?: Record<string, string>;
  path?: string;
}

export type { Target };

/** Connects without sending anything, TLS's own handshake aside. */
export async function connectRaw(target: Target, options: RawClientOptions = {}): Promise<RawClient> {
  return new RawClient(await connectSocket(target), options);
}

/** Connects and completes the handshake. */
export async function openRaw(target: Target, options: RawClientOptions = {}): Promise<RawClient> {
  const client = await connectRaw(target, options);
  client.sendHandshake();
  await client.opened();
  return client;
}

export class RawClient {
  readonly socket: Socket;
  /** Everything that the server sent as messages, in order. */
  readonly messages: (string | Buffer)[] = [];
  readonly pings: Buffer[] = [];
  readonly pongs: Buffer[] = [];
  /** The kinds of all that came, in order: `messages`, `pings` and `pongs` say no more about each other. */
  readonly log: ("message" | "ping" | "pong" | "close")[] = [];
  /** The server's Close frame. */
  close: { code: number; reason: string } | undefined;
  /** How many messages had come by then. */
  messagesAtClose = 0;
  /** What ended the socket: "FIN" for the server's, or the code of an error such as ECONNRESET. */
  ended: string | undefined;
  /** Status code of the HTTP answer, its headers in lower case, and its body if it was no 101. */
  response: { status: number; headers: Record<string, string>; body: string } | undefined;
  /** How the server broke RFC 6455, if it did. */
  violation: string | undefined;
  /** How many of the messages came compressed, and the bytes of their payloads. */
  readonly compressed = { messages: 0, bytes: 0 };
  /** The socket is closed in both directions. */
  gone = false;

  /** What TCP knows of it: `socket` itself, unless that speaks TLS. */
  readonly #events = new EventEmitter();
  readonly #options: Required<RawClientOptions>;
  readonly #decoder: Decoder;
  readonly #key = randomBytes(16).toString("base64");
  #deflate: PeerDeflate | undefined;
  #head = Buffer.alloc(0);
  #upgraded = false;

  constructor(socket: Socket, options: RawClientOptions) {
    this.socket = socket;
    this.#options = {
      answersPing: true,
      answersClose: true,
      answersEnd: true,
      extensions: "",
      headers: {},
      path: "/",
      ...options,
    };
    this.#events.setMaxListeners(0);
    const sink = {
      onMessage: (data: string | Buffer) =>
        this.#note(() => {
          this.log.push("message");
          this.messages.push(data);
        }),
      onCompressedMessage: (payload: Buffer, isText: boolean) => {
        const message = this.#inflate(payload);
        if (message !== undefined) sink.onMessage(isText ? message.toString() : message);
      },
      onPing: (payload: Buffer) =>
        this.#note(() => {
          this.log.push("ping");
          this.pings.push(payload);
          if (this.#options.answersPing) this.sendFrame(Opcode.pong, payload);
        }),
      onPong: (payload: Buffer) =>
        this.#note(() => {
          this.log.push("pong");
          this.pongs.push(payload);
        }),
      onClose: (code: number, reason: string) =>
        this.#note(() => {
          this.log.push("close");
          this.close = { code, reason };
          this.messagesAtClose = this.messages.length;
          if (this.#options.answersClose) this.sendClose(code === 1005 ? undefined : code);
        }),
      onViolation: ({ explanation }: { explanation: string }) =>
        this.#note(() => (this.violation = explanation)),
    };
    this.#decoder = new Decoder(sink, {
      maxPayload: 2 ** 31,
      maxFragments: 2 ** 31,
      masked: false,
      compression: this.#options.extensions !== "",
    });
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () =>
      this.#note(() => {
        this.ended ??= "FIN";
        if (this.#options.answersEnd) socket.end();
      }),
    );
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#note(() => (this.ended ??= error.code ?? error.message)),
    );
    socket.on("close", () => this.#note(() => (this.gone = true)));
  }

  /** Calls back at each message, Ping or Close that comes. */
  onEach(kind: "message" | "ping" | "close", act: () => void): void {
    let seen = this.log.filter((each) => each === kind).length;
    this.#events.on("change", () => {
      for (; seen < this.log.filter((each) => each === kind).length; seen++) act();
    });
  }

  /** Whether permessage-deflate was agreed on. */
  get deflates(): boolean {
    return this.#deflate !== undefined;
  }

  /** Sends the opening handshake. */
  sendHandshake(): void {
    const { path, headers, extensions } = this.#options;
    const all: Record<string, string> = {
      Host: "localhost",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": this.#key,
      ...(extensions === "" ? {} : { "Sec-WebSocket-Extensions": extensions }),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  }

  /** Resolves when the handshake is complete; rejects when it was refused or the socket is gone. */
  async opened(): Promise<void> {
    await this.until(() => this.#upgraded || this.response !== undefined || this.gone);
    if (!this.#upgraded) throw new Error(`the handshake failed: ${this.response?.status ?? this.ended}`);
    const accept = this.response!.headers["sec-websocket-accept"];
    if (accept !== acceptKey(this.#key)) throw new Error(`wrong Sec-WebSocket-Accept: ${accept}`);
  }

  /** A masked text or binary message. */
  send(data: string | Buffer): void {
    this.sendFrame(typeof data === "string" ? Opcode.text : Opcode.binary, data);
  }

  sendFrame(opcode: Opcode, payload: string | Buffer = "", final = true): void {
    this.write(encodeFrame(opcode, payload, { final, mask: randomBytes(4) }));
  }

  /** A compressed message, as it was agreed on, in fragments of so many bytes. */
  sendCompressed(data: string | Buffer, fragment = Infinity): void {
    const payload = this.#deflate!.deflate(Buffer.from(data as string));
    const opcode = typeof data === "string" ? Opcode.text : Opcode.binary;
    for (let start = 0; start < payload.length; start += fragment) {
      const first = start === 0;
      const options = { final: start + fragment >= payload.length, mask: randomBytes(4), compressed: first };
      const part = payload.subarray(start, start + fragment);
      this.write(encodeFrame(first ? opcode : Opcode.continuation, part, options));
    }
  }

  #inflate(payload: Buffer): Buffer | undefined {
    try {
      this.compressed.messages++;
      this.compressed.bytes += payload.length;
      return this.#deflate!.inflate(payload);
    } catch (error) {
      this.#note(() => (this.violation = `what cannot be inflated: ${String(error)}`));
      return undefined;
    }
  }

  /** Raw bytes. */
  write(bytes: string | Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** A Close frame, without a payload when there is no code. */
  sendClose(code?: number, reason = ""): void {
    this.sendFrame(Opcode.close, encodeClosePayload(code ?? 1005, reason));
  }

  ping(payload = ""): void {
    this.sendFrame(Opcode.ping, payload);
  }

  /** FIN without a Close frame. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    resetSocket(this.socket);
  }

  /** Resolves when `condition` holds; checked after each thing the server does. Rejects when the socket is gone first. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.gone) throw new Error(`the socket is gone (${this.ended}) before what was waited for`);
      await once(this.#events, "change");
    }
  }

  /** Resolves when this many messages have come. */
  received(count: number): Promise<void> {
    return this.until(() => this.messages.length >= count);
  }

  /** Resolves when the socket is closed in both directions. */
  closed(): Promise<void> {
    return this.until(() => this.gone);
  }

  /** Ends the socket whatever its state. */
  destroy(): void {
    this.socket.destroy();
  }

  #note(change: () => void): void {
    change();
    this.#events.emit("change");
  }

  #onData(chunk: Buffer): void {
    if (this.#upgraded) {
      this.#decoder.push(chunk);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [statusLine, ...lines] = this.#head.toString("latin1", 0, end).split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        line.slice(line.indexOf(":") + 1).trim(),
      ]),
    );
    const rest = this.#head.subarray(end + 4);
    const status = Number(statusLine!.split(" ")[1]);
    if (status !== 101 && rest.length < Number(headers["content-length"] ?? 0)) return;
    this.#note(() => {
      this.response = { status, headers, body: status === 101 ? "" : rest.toString() };
      this.#upgraded = status === 101;
      const agreed = headers["sec-websocket-extensions"];
      if (agreed !== undefined) this.#deflate = new PeerDeflate(agreed);
    });
    if (this.#upgraded && rest.length > 0) this.#decoder.push(rest);
  }
}

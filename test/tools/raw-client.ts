/**
 * A WebSocket client on a plain socket, built on our frames so that it can misbehave, and that records all it sees.
 */
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeClosePayload } from "../../src/wire/close.js";
import { Decoder } from "../../src/wire/decoder.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { acceptKey } from "../../src/wire/handshake.js";

export interface RawClientOptions {
  /** Answer Pings. Default true. */
  answersPing?: boolean;
  /** Answer Close. Default true. */
  answersClose?: boolean;
  /** End TCP at the server's FIN. Default true. */
  answersEnd?: boolean;
  headers?: Record<string, string>;
  path?: string;
}

/** A port on 127.0.0.1, in clear or behind TLS, or the path of a Unix socket. */
export type Target = number | string | { port: number; tls: true };

/** Connects without sending anything, TLS's own handshake aside. */
export async function connectRaw(target: Target, options: RawClientOptions = {}): Promise<RawClient> {
  const where: NetConnectOpts =
    typeof target === "string"
      ? { path: target }
      : { port: typeof target === "number" ? target : target.port, host: "127.0.0.1" };
  const transport = connect({ ...where, allowHalfOpen: true });
  await once(transport, "connect");
  if (typeof target !== "object") return new RawClient(transport, options);
  // Node takes allowHalfOpen here; its types do not know that.
  const how = { socket: transport, rejectUnauthorized: false, allowHalfOpen: true };
  const encrypted = connectTls(how);
  await once(encrypted, "secureConnect");
  return new RawClient(encrypted, options, transport);
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
  /** The socket is closed in both directions. */
  gone = false;

  /** What TCP knows of it: `socket` itself, unless that speaks TLS. */
  readonly #transport: Socket;
  readonly #events = new EventEmitter();
  readonly #options: Required<RawClientOptions>;
  readonly #decoder: Decoder;
  readonly #key = randomBytes(16).toString("base64");
  #head = Buffer.alloc(0);
  #upgraded = false;

  constructor(socket: Socket, options: RawClientOptions, transport = socket) {
    this.socket = socket;
    this.#transport = transport;
    this.#options = {
      answersPing: true,
      answersClose: true,
      answersEnd: true,
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
    this.#decoder = new Decoder(sink, { maxPayload: 2 ** 31, maxFragments: 2 ** 31, masked: false });
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

  /** Sends the opening handshake. */
  sendHandshake(): void {
    const { path, headers } = this.#options;
    const all: Record<string, string> = {
      Host: "localhost",
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": this.#key,
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
    // TLS has no reset of its own.
    this.#transport.resetAndDestroy();
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
    });
    if (this.#upgraded && rest.length > 0) this.#decoder.push(rest);
  }
}

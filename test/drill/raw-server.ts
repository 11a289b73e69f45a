/** A server on a plain socket, told by a test what to do with each connection, and that notes all it sees. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { onTestFinished } from "vitest";
import { encodeClosePayload } from "../../src/wire/close.js";
import { Decoder } from "../../src/wire/decoder.js";
import { encodeFrame, Opcode } from "../../src/wire/frame.js";
import { switchingProtocols } from "../../src/wire/handshake.js";
import type { Certificate } from "../tools/certificate.js";
import { resetSocket } from "../tools/connect.js";
import { eventually } from "../tools/serve.js";

export interface RawServer {
  port: number;
  /** The next connection that comes, or has come. */
  accept(): Promise<RawPeer>;
  /** Every connection so far. */
  peers: RawPeer[];
}

/** Listens until the test is over; what is still connected then is destroyed. */
export async function rawServer(tls?: Certificate): Promise<RawServer> {
  const peers: RawPeer[] = [];
  const take = (socket: Socket): void => void peers.push(new RawPeer(socket));
  // Either side may end first.
  const options = { allowHalfOpen: true };
  const server =
    tls === undefined ? createServer(options, take) : createTlsServer({ ...options, ...tls }, take);
  // Those whose TLS handshake fails are no peers.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  let next = 0;
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    async accept() {
      const index = next++;
      await eventually(() => peers[index] !== undefined);
      return peers[index]!;
    },
  };
}

/** The server's end of a connection. */
export class RawPeer {
  readonly socket: Socket;
  /** What came, in order: `text hello`, `binary 2`, `ping x`, `close 1000`, `FIN`, `ECONNRESET`, … */
  readonly log: string[] = [];
  /** The head of the handshake; undefined while it is not complete. */
  head: string | undefined;
  #bytes = Buffer.alloc(0);
  readonly #decoder: Decoder;

  constructor(socket: Socket) {
    this.socket = socket;
    const note = (what: string): void => void this.log.push(what);
    this.#decoder = new Decoder(
      {
        onMessage: (data) =>
          note(typeof data === "string" ? `text ${data}` : `binary ${data.toString("hex")}`),
        onCompressedMessage: () => {},
        onPing: (payload) => note(`ping ${payload.toString()}`),
        onPong: (payload) => note(`pong ${payload.toString()}`),
        onClose: (code, reason) => note(`close ${code} ${reason}`.trim()),
        onViolation: ({ explanation }) => note(`violation ${explanation}`),
      },
      { maxPayload: 2 ** 20, maxFragments: 100, masked: true, compression: false },
    );
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => note("FIN"));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => note(code ?? "error"));
  }

  #read(chunk: Buffer): void {
    if (this.head !== undefined) {
      this.#decoder.push(chunk);
      return;
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end < 0) return;
    this.head = this.#bytes.toString("latin1", 0, end);
    this.#decoder.push(this.#bytes.subarray(end + 4));
  }

  /** Resolves when this has come. */
  async saw(what: string): Promise<void> {
    await eventually(() => this.log.includes(what));
  }

  /** The key of the handshake, once that is there. */
  async asked(): Promise<string> {
    await eventually(() => this.head !== undefined);
    return /^sec-websocket-key: (.*)$/im.exec(this.head!)![1]!.trim();
  }

  /** The 101 that answers the handshake. */
  async answer(protocol?: string): Promise<string> {
    return switchingProtocols(await this.asked(), protocol);
  }

  /** Opens the WebSocket. */
  async open(): Promise<void> {
    this.socket.write(await this.answer());
  }

  /** Sends a frame as a server must, or with this mask. */
  sendFrame(opcode: Opcode, payload: string | Buffer = "", mask?: Buffer): void {
    this.socket.write(encodeFrame(opcode, payload, mask === undefined ? {} : { mask }));
  }

  say(text: string): void {
    this.sendFrame(Opcode.text, text);
  }

  close(code: number, reason = ""): void {
    this.sendFrame(Opcode.close, encodeClosePayload(code, reason));
  }

  /** FIN. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    resetSocket(this.socket);
  }
}

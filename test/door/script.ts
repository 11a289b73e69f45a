/** What a client is told to do, and what it tells afterwards. Plain JSON: clients are in a process of their own. */

/** Something that a client asks for. Each byte of its answer says by its place in a pattern whose it is. */
export interface Exchange {
  /** In every byte of the answer, and of the body of the request. */
  id: string;
  /**
   * `plain`: a response. `upgrade`: to a WebSocket of ours. `tunnel`: a stream behind a head, by CONNECT or by another
   * stack's upgrade.
   */
  kind: "plain" | "upgrade" | "tunnel";
  /** Bytes of a whole answer's body; of a tunnel. */
  size: number;
  /** For whom a WebSocket is meant. */
  path?: string;
  /** Texts that are sent on it, each to be echoed. */
  messages: string[];
  /** Whether the client says Close when all of them are back; else it waits for the server's. */
  closes: boolean;
}

/** Bytes that a client writes at once. */
export interface Segment {
  /** How many answers it must have before. */
  awaits: number;
  /** Milliseconds from then, or from the segment before. */
  after: number;
  /** As latin1. */
  data: string;
  /** Ids of the exchanges and messages whose last byte is in it. */
  completes: string[];
}

/** How a client goes of its own accord. */
export interface Leaving {
  /** Milliseconds after it was connected. */
  after: number;
  how: "FIN" | "reset" | "close";
}

export interface ClientScript {
  name: string;
  /** When it connects, in milliseconds of the world. */
  at: number;
  exchanges: Exchange[];
  segments: Segment[];
  /** Milliseconds before it reads at all, and between two reads. */
  readsAfter: number;
  readsEvery: number;
  leaves?: Leaving;
}

export interface ClientsOrder {
  world: number;
  port: number;
  tls: boolean;
  /** The zero of the world, on the clock that all processes of a machine share. */
  zero: number;
  /** When who is still there gives up, in milliseconds of the world. */
  patience: number;
  clients: ClientScript[];
}

/** What came for an exchange. */
export interface Answer {
  status: number;
  /** Whose the head said that it is; empty when it did not. */
  id: string;
  /** Bytes of the body, or of the tunnel. */
  bytes: number;
  /** Whether it came to its end. */
  whole: boolean;
  /** Whether its head said that it is the last one on its connection. */
  last: boolean;
  /** Of its last byte so far, in milliseconds of the world. */
  at: number;
  /** Which of the messages were echoed, and the code of the server's Close. */
  echoed: number;
  closeCode?: number;
}

/** What a client saw. Times are in milliseconds of the world. */
export interface ClientSeen {
  name: string;
  startedAt: number;
  connectedAt?: number;
  /** TLS was agreed on, where there is any. */
  readyAt?: number;
  /** When the last byte of an exchange or a message was given to the kernel, by id. */
  sentAt: Record<string, number>;
  answers: Answer[];
  /** A byte that is not of what was due, in words. */
  foreign?: string;
  leftAt?: number;
  /** The last byte in either direction. */
  activeAt: number;
  closedAt: number;
  /** How it ended: `FIN`, `left`, `given up`, `refused` by the kernel, or the code of an error. */
  ended: string;
}

export interface ClientsReport {
  world: number;
  clients: ClientSeen[];
}

/**
 * The link to the server: connects again when it is lost, and keeps what was said until it is answered.
 *
 * The lesson of this example is in `#onClose`. A message without an answer was either never started or it was, and
 * after most ends nobody can tell. Close with 1012 from lastcall can: it promises that what has no answer was never
 * started. So we say that again, unasked, and nothing is doubled. After any other end it is for the user to decide.
 */

/** @typedef {{ key: string, id: string, name: string, text: string, at: string }} Entry what somebody has said */

/**
 * What was said here and has no answer yet. `given`: a socket has it. `doubtful`: it may or may not have arrived.
 *
 * @typedef {object} Unanswered
 * @property {string} id
 * @property {string} text
 * @property {"sending" | "doubtful" | "refused"} state
 * @property {boolean} given
 * @property {string} [problem] why it was refused
 */

/** @typedef {{ kind: "connecting" | "connected" | "restarting" | "offline", retryAt?: number }} State */

/**
 * @typedef {object} Listener
 * @property {(state: State) => void} onState
 * @property {(entries: Entry[]) => void} onEntries
 * @property {(names: string[]) => void} onHere
 * @property {(message: Unanswered) => void} onUnanswered it is new, or its state is
 * @property {(id: string) => void} onSettled it is not unanswered any more
 */

const SERVICE_RESTART = 1012;

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;

/** A restart takes some seconds. Whoever is not back after so many attempts is not restarting. */
const ATTEMPTS_IN_RESTART = 6;

/** A time that doubles with each attempt, and of that a random part: all pages were disconnected at once. */
function backOff(/** @type {number} */ attempt) {
  const longest = Math.min(FIRST_WAIT * 2 ** attempt, LONGEST_WAIT);
  return longest * (0.5 + Math.random() / 2);
}

/** `crypto.randomUUID` is for secure contexts only, and this page may be served to a LAN. */
function randomId() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-");
}

export class Link {
  #url;
  #listener;
  /** @type {WebSocket | undefined} */
  #socket;
  /** In the order said. @type {Map<string, Unanswered>} */
  #unanswered = new Map();
  /** Attempts in a row without success. */
  #attempts = 0;
  #restarting = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {string} name @param {Listener} listener */
  constructor(name, listener) {
    this.#url = new URL(`/chat?name=${encodeURIComponent(name)}`, location.href);
    this.#url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.#listener = listener;
    addEventListener("online", () => this.connectNow());
    this.#connect();
  }

  /** @param {string} text */
  say(text) {
    this.#send({ id: randomId(), text, state: "sending", given: false });
  }

  /** Says a doubtful message again. If it did arrive, it is there twice. @param {string} id */
  retry(id) {
    const message = this.#unanswered.get(id);
    if (message?.state !== "doubtful") return;
    this.discard(id);
    this.say(message.text);
  }

  /** @param {string} id */
  discard(id) {
    this.#unanswered.delete(id);
    this.#listener.onSettled(id);
  }

  /** Does not wait for the next attempt any longer. */
  connectNow() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  #connect() {
    this.#timer = undefined;
    this.#tellState();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#onOpen());
    socket.addEventListener("message", ({ data }) => this.#onMessage(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#onClose(code));
  }

  #onOpen() {
    this.#attempts = 0;
    this.#restarting = false;
    this.#tellState();
    for (const message of this.#unanswered.values()) if (message.state === "sending") this.#send(message);
  }

  /** @param {any} message */
  #onMessage(message) {
    switch (message.type) {
      case "welcome":
        return this.#onEntries(message.history);
      case "said":
      case "ack":
        return this.#onEntries([message.entry]);
      case "here":
        return this.#listener.onHere(message.names);
      case "refused": {
        const refused = this.#unanswered.get(message.id);
        if (refused !== undefined) this.#keep({ ...refused, state: "refused", problem: message.problem });
      }
    }
  }

  /** What is in the history has arrived, so a doubtful message may be settled by that too. @param {Entry[]} entries */
  #onEntries(entries) {
    this.#listener.onEntries(entries);
    for (const { id } of entries) if (this.#unanswered.has(id)) this.discard(id);
  }

  /** @param {number} code */
  #onClose(code) {
    this.#socket = undefined;
    const neverStarted = code === SERVICE_RESTART;
    for (const message of this.#unanswered.values()) {
      if (message.state !== "sending" || !message.given) continue;
      // `sending` is sent again when there is a connection. What no socket was given is safe in any case.
      this.#keep({ ...message, given: false, state: neverStarted ? "sending" : "doubtful" });
    }
    if (neverStarted) this.#restarting = true;
    if (this.#attempts >= ATTEMPTS_IN_RESTART) this.#restarting = false;
    const wait = backOff(this.#attempts++);
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#tellState(Date.now() + wait);
  }

  /** @param {Unanswered} message */
  #send(message) {
    const given = this.#socket?.readyState === WebSocket.OPEN;
    if (given) this.#socket?.send(JSON.stringify({ id: message.id, text: message.text }));
    this.#keep({ ...message, given });
  }

  /** @param {Unanswered} message */
  #keep(message) {
    this.#unanswered.set(message.id, message);
    this.#listener.onUnanswered(message);
  }

  /** @param {number} [retryAt] */
  #tellState(retryAt) {
    const connected = this.#socket?.readyState === WebSocket.OPEN;
    const kind = connected
      ? "connected"
      : this.#restarting
        ? "restarting"
        : this.#attempts > 0
          ? "offline"
          : "connecting";
    this.#listener.onState(retryAt === undefined ? { kind } : { kind, retryAt });
  }
}

/**
 * Every error of this library.
 *
 *   LastcallError                     code: LASTCALL_…
 *   ├── InvalidOptionError            LASTCALL_INVALID_OPTION      an option or argument is not allowed
 *   ├── ServerStateError              LASTCALL_SERVER_STATE        the server cannot do that any more, or not yet
 *   ├── ConnectionGoneError           LASTCALL_CONNECTION_GONE     the connection can no longer deliver
 *   └── UpgradeRejected               LASTCALL_UPGRADE_REJECTED    thrown by `authenticate` or `protocols` to refuse
 *
 * Some reach `onError` only, as plain LastcallErrors: LASTCALL_PROTOCOL_NOT_OFFERED, when the function given as
 * `protocols` chose what it could not; LASTCALL_TLS_HANDSHAKE, when clients cannot come in through TLS;
 * LASTCALL_HANDLER_RETURNED and LASTCALL_HANDLER_IDLE, when a handler cannot work, and LASTCALL_HANDLER_SETTLED, when it
 * has something waited for too late (connection/handler-mistakes.ts); LASTCALL_BYTES_GONE, when what was given to `send`
 * was taken back before it was sent.
 */

/** The root of the library's errors. `code` is stable; messages are prose and may change. */
export class LastcallError extends Error {
  /** A stable name for the kind of error, beginning with `LASTCALL_`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An option or argument is not allowed. The message names it, what was given, and what is allowed. */
export class InvalidOptionError extends LastcallError {
  /** The option's name, for example `drain.deadline`. */
  readonly option: string;

  constructor(option: string, given: unknown, allowed: string, options?: ErrorOptions) {
    super(
      "LASTCALL_INVALID_OPTION",
      `${option} must be ${allowed}; it was ${describeValue(given)}.`,
      options,
    );
    this.option = option;
  }
}

/** The server cannot do what was asked in the state that it is in. */
export class ServerStateError extends LastcallError {
  constructor(message: string, options?: ErrorOptions) {
    super("LASTCALL_SERVER_STATE", message, options);
  }
}

/** The connection can no longer deliver what was passed to it, or answer a Ping. */
export class ConnectionGoneError extends LastcallError {
  /** Why the connection ended, by the word of `closed.cause`. */
  override readonly cause: string | undefined;

  constructor(message: string, cause?: string) {
    super("LASTCALL_CONNECTION_GONE", message);
    this.cause = cause;
  }
}

/**
 * Thrown by `authenticate` or `protocols` to refuse a handshake with an answer of its own.
 *
 * @example
 * throw new UpgradeRejected(401, "Sign in first.", { "WWW-Authenticate": "Bearer" });
 */
export class UpgradeRejected extends LastcallError {
  /** HTTP status of the answer, 400 to 599. */
  readonly status: number;
  /** Body of the answer, sent as plain text. */
  readonly body: string;
  /** Further headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param status HTTP status, 400 to 599.
   * @param body Plain text. Default: none.
   * @param headers Further headers. Default: none.
   * @throws {@link InvalidOptionError} when the status is not between 400 and 599, or a header cannot be sent.
   */
  constructor(status: number, body = "", headers: Readonly<Record<string, string>> = {}) {
    super(
      "LASTCALL_UPGRADE_REJECTED",
      body === "" ? `The handshake was refused with status ${status}.` : body,
    );
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new InvalidOptionError("The status of UpgradeRejected", status, "a whole number from 400 to 599");
    }
    for (const [name, value] of Object.entries(headers)) {
      if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
        throw new InvalidOptionError(
          `The header '${name}' of UpgradeRejected`,
          value,
          "a header that HTTP can carry",
        );
      }
    }
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/**
 * What there is to see of a value that an application threw or returned. A getter of it, a proxy or its `toString` may
 * throw at whoever looks: then it is `otherwise`.
 */
export function lookAt<Seen>(look: () => Seen, otherwise: Seen): Seen {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

/** A value as a message can show it: short, and nothing of an object's content. */
export function describeValue(value: unknown): string {
  return lookAt(() => describe(value), "an object that cannot be looked at");
}

function describe(value: unknown): string {
  if (typeof value === "string")
    return value.length > 40 ? `a string of ${value.length} characters` : `"${value}"`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null)
    return `an object (${value.constructor?.name ?? "without a class"})`;
  return String(value);
}

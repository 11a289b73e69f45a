/** What is seen of the chat. All that somebody has typed becomes text, never markup. */
import { Link } from "./link.js";

/** As many messages as the page shows. */
const SHOWN = 1_000;

/** Messages of one person within this many ms stand under one name. */
const TOGETHER = 5 * 60_000;

/** How near to its end, in pixels, a conversation follows what is new. */
const NEAR_END = 40;

/**
 * @template {HTMLElement} T
 * @param {string} id @param {{ new (): T }} type
 */
function find(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`The page has no ${type.name} '${id}'.`);
  return element;
}

const door = find("door", HTMLElement);
const join = find("join", HTMLFormElement);
const nameField = find("name", HTMLInputElement);
const room = find("room", HTMLElement);
const statusLine = find("status", HTMLElement);
const stateText = find("state", HTMLElement);
const countdown = find("countdown", HTMLElement);
const connectNow = find("connect-now", HTMLButtonElement);
const count = find("count", HTMLElement);
const names = find("names", HTMLUListElement);
const scroll = find("scroll", HTMLElement);
const empty = find("empty", HTMLElement);
const log = find("log", HTMLOListElement);
const unanswered = find("unanswered", HTMLOListElement);
const news = find("news", HTMLElement);
const compose = find("compose", HTMLFormElement);
const textField = find("text", HTMLTextAreaElement);

/**
 * @param {string} tag @param {string} className @param {(string | Node)[]} children
 */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  // Strings become text nodes.
  element.append(...children);
  return element;
}

let ownName = "";
/** @type {Link} */
let link;

join.addEventListener("submit", (event) => {
  event.preventDefault();
  ownName = nameField.value.trim();
  door.hidden = true;
  room.hidden = false;
  link = new Link(ownName, { onState, onEntries, onHere, onUnanswered, onSettled });
  textField.focus();
});

// The state of the connection

const words = {
  connecting: "Connecting",
  connected: "Connected",
  restarting: "Server is restarting, reconnecting",
  offline: "Offline, reconnecting",
};

/** @type {ReturnType<typeof setInterval> | undefined} */
let clock;

/** @param {import("./link.js").State} state */
function onState({ kind, retryAt }) {
  statusLine.dataset.kind = kind;
  // Said again it would be read out again.
  if (stateText.textContent !== words[kind]) stateText.textContent = words[kind];
  connectNow.hidden = retryAt === undefined;
  clearInterval(clock);
  const tick = () => {
    const seconds = Math.ceil(((retryAt ?? 0) - Date.now()) / 1_000);
    countdown.textContent = retryAt !== undefined && seconds > 0 ? `in ${seconds} s` : "";
  };
  tick();
  if (retryAt !== undefined) clock = setInterval(tick, 250);
}

connectNow.addEventListener("click", () => {
  link.connectNow();
  textField.focus();
});

/** @param {string[]} everybody */
function onHere(everybody) {
  count.textContent = `(${everybody.length})`;
  names.replaceChildren(
    ...everybody.map((name) =>
      make("li", name === ownName ? "own" : "", name === ownName ? `${name} (you)` : name),
    ),
  );
}

// What was said

/** The keys of what is shown, in that order. @type {Set<string>} */
const shown = new Set();
/** @type {import("./link.js").Entry | undefined} */
let last;

/** @param {import("./link.js").Entry[]} entries */
function onEntries(entries) {
  followEnd(() => {
    for (const entry of entries) if (!shown.has(entry.key)) show(entry);
  });
  requestAnimationFrame(() => log.setAttribute("aria-live", "polite"));
}

/** @param {import("./link.js").Entry} entry */
function show(entry) {
  const { key, name, text, at } = entry;
  const own = name === ownName;
  const follows = last?.name === name && Date.parse(at) - Date.parse(last.at) < TOGETHER;
  last = entry;
  shown.add(key);
  const item = make("li", `${own ? "own" : ""} ${follows ? "follows" : ""}`, make("p", "text", text));
  if (!follows) item.prepend(make("p", "by", make("b", "", own ? "You" : name), " ", timeOf(at)));
  log.append(item);
  empty.hidden = true;
  const [oldest] = shown;
  if (shown.size <= SHOWN || oldest === undefined) return;
  shown.delete(oldest);
  log.firstElementChild?.remove();
}

/** @param {string} at */
function timeOf(at) {
  const element = document.createElement("time");
  const date = new Date(at);
  element.dateTime = at;
  element.title = date.toLocaleString();
  element.textContent = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element;
}

/** @type {Map<string, HTMLElement>} */
const items = new Map();

/** @param {import("./link.js").Unanswered} message */
function onUnanswered({ id, text, state, problem }) {
  const known = items.get(id);
  const item = known ?? make("li", "own", make("p", "text", text), make("p", "fate"));
  // Again in the same state: it was given to a socket, which nobody sees.
  if (item.dataset.state === state) return;
  item.dataset.id = id;
  item.dataset.state = state;
  followEnd(() => {
    item.lastElementChild?.replaceWith(fateOf(id, state, problem));
    if (known !== undefined) return;
    items.set(id, item);
    unanswered.append(item);
    empty.hidden = true;
  });
  tellFates();
}

/** @param {string} id @param {import("./link.js").Unanswered["state"]} state @param {string} [problem] */
function fateOf(id, state, problem) {
  if (state === "sending") return make("p", "fate", "sending");
  const discard = button("Discard", () => link.discard(id));
  if (state === "refused") return make("p", "fate", `not sent: ${problem}`, discard);
  return make(
    "p",
    "fate",
    "may not have arrived",
    button("Retry", () => link.retry(id)),
    discard,
  );
}

/** @param {string} label @param {() => void} act */
function button(label, act) {
  const element = make("button", "quiet", label);
  element.addEventListener("click", () => {
    // The button will be gone, and the focus must not go with it.
    textField.focus();
    act();
  });
  return element;
}

/** @param {string} id */
function onSettled(id) {
  items.get(id)?.remove();
  items.delete(id);
  empty.hidden = shown.size + items.size > 0;
  tellFates();
}

/** For those who do not see the messages themselves. */
function tellFates() {
  const states = [...items.values()].map((item) => item.dataset.state);
  const doubtful = states.filter((state) => state === "doubtful").length;
  const refused = states.filter((state) => state === "refused").length;
  const text = [
    doubtful > 0 ? `${doubtful} of your messages may not have arrived.` : "",
    refused > 0 ? `${refused} of your messages were not sent.` : "",
  ]
    .filter(Boolean)
    .join(" ");
  if (news.textContent !== text) news.textContent = text;
}

/** Who reads what is further up is left there. @param {() => void} change */
function followEnd(change) {
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END;
  change();
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

// Saying something

compose.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  textField.focus();
  if (text === "") return;
  textField.value = "";
  link.say(text);
  scroll.scrollTop = scroll.scrollHeight;
});

textField.addEventListener("keydown", (event) => {
  // While a word is being composed, Enter takes it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  compose.requestSubmit();
});

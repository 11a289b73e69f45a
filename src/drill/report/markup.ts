/**
 * Text that comes from outside (what a server prints, close reasons, command lines) becomes harmless in HTML, SVG and
 * XML. Only `raw` makes markup of a string; everything else is escaped.
 */

/** Markup that is finished: it is not escaped again. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

type Part = string | number | Markup | undefined | readonly Part[];

/** A template whose values are escaped. Arrays are joined, undefined is nothing. */
export function markup(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  let text = strings[0] ?? "";
  for (const [index, part] of parts.entries()) text += written(part) + (strings[index + 1] ?? "");
  return new Markup(text);
}

/** A string of ours as it is. */
export function raw(text: string): Markup {
  return new Markup(text);
}

function written(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Markup) return part.text;
  if (typeof part === "string") return escape(part);
  if (typeof part === "number") return String(part);
  return part.map(written).join("");
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** What XML 1.0 forbids, and what turns the direction of the text around it. */
const UNSEEN = /[\p{Cc}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]/gu;

/** Shows what cannot be seen: control characters as their pictures, marks of direction by number. */
function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    if (character === "\n" || character === "\t") return character;
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    // A surrogate without its other half has no number that helps anybody.
    if (code >= 0xd800 && code <= 0xdfff) return "\uFFFD";
    return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}

/** At most `length` characters; an ellipsis tells of the rest. No pair of surrogates is taken apart. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = length - 1;
  const last = text.charCodeAt(end - 1);
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end)}…`;
}

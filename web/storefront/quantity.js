/** How many of something, as people and spreadsheet programs write it, and which good it is of. */

import { halfWidth } from "./text.js";

export const QUANTITY_MAX = 1_000_000;

/** But for U+202E: "21" behind it is shown as "12". */
const INVISIBLE = /[\0-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202d\u2060-\u206f\ufe00-\ufe0f\ufeff]/g;
/**
 * A formula or an apostrophe keeps a spreadsheet program from making a number of a text. Other
 * programs put quotes within the quotes, and mails have quotes of their own.
 */
const KEPT_AS_TEXT = /^(?:=?"(.*)"|'(.*?)'?|[“„«](.*)[“”»])$/s;
/** Each three digits have the same separator before them; in India the first ones have two. */
const GROUPED = /^[1-9]\d{0,2}([ '’٬.,])\d{3}(?:\1\d{3})*$|^[1-9]\d?(?:,\d\d)+,\d{3}$/;
const DECIMAL = /^(.+)([.,٫])(\d+)$/;

/** A text without what can't be seen. */
export const visible = (text) => text.replace(INVISIBLE, "").replace(/\s+/g, " ").trim();

/** What is in a cell. */
export function plain(cell) {
  const text = visible(cell);
  return (KEPT_AS_TEXT.exec(text)?.slice(1).find((kept) => kept !== undefined) ?? text).trim();
}

/**
 * `12.000` is twelve thousand in half of the world and twelve in the other half. Which one is asked
 * and not guessed: `means` has the answers, by separator.
 *
 * @param {string} cell as `plain` has it
 * @param {Record<string, "thousands" | "decimals">} means
 * @returns {number | {sign: string, either: [string, string]}} NaN if it is not a whole number
 */
export function quantityOf(cell, means = {}) {
  const text = halfWidth(cell).replace(/\p{Nd}/gu, digit);
  const thousands = wholeOf(text);
  const [, whole, sign, rest] = DECIMAL.exec(text) ?? ["", "", "", "1"];
  const before = whole.includes(sign) ? Number.NaN : wholeOf(whole);
  const decimals = /^0+$/.test(rest) ? before : Number.NaN;
  if (Number.isNaN(thousands)) return decimals;
  if (!sign || Number.isNaN(before) || means[sign] === "thousands") return thousands;
  if (means[sign] === "decimals") return decimals;
  return { sign, either: [String(thousands), Number.isNaN(decimals) ? `${before}.${rest.replace(/0+$/, "")}` : String(before)] };
}

/**
 * The number that a shopper's field shows, from 0 on; null for what is none, or could mean another.
 *
 * @returns {number | null}
 */
export function wholeNumber(text, max) {
  const number = quantityOf(plain(text));
  return number <= max ? number : null;
}

const wholeOf = (text) => (/^\d+$/.test(text) || GROUPED.test(text) ? Number(text.replace(/\D/g, "")) : Number.NaN);

/** The decimal digits of a script follow each other in Unicode, from 0 on. */
function digit(character) {
  const code = character.codePointAt(0);
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}

/**
 * How many are ordered by what was typed or read.
 *
 * @param {string} cell
 * @param {{case: number}} good
 * @param {Record<string, string>} [means] answers: by separator as for `quantityOf`, by unit
 *   "pieces" or "cases"
 * @param {string | null} [unit] what is counted, if it may be cases
 * @returns {{count: number} | {problem: string, sign?: string, either?: [string, string], unit?: string}}
 */
export function ordered(cell, good, means = {}, unit = null) {
  const text = plain(cell);
  if (!text) return { problem: "The quantity is missing. Write a whole number." };
  if (text.startsWith("=")) return { problem: "This is a formula without its result. Open the list in a spreadsheet program, and save it there." };
  const written = quantityOf(text, means);
  if (written.either) {
    const [one, other] = written.either;
    return { ...written, problem: `“${text}” can mean ${one} or ${other}. Write a whole number without a point or a comma.` };
  }
  const meant = unit ? means[unit] : "pieces";
  if (written >= 1 && !["pieces", "cases"].includes(meant)) {
    const [pieces, cases] = [`${written} pieces`, `${written} cases of ${good.case}`];
    return { sign: unit, unit, either: [pieces, cases], problem: `“${short(`${text} ${unit}`)}” can mean ${pieces} or ${cases}. Write the number of pieces, without a unit.` };
  }
  if (meant === "cases" && good.case === 1) return { problem: "This item is not sold by the case. Write the number of pieces." };
  const count = meant === "cases" ? written * good.case : written;
  if (!(count >= 1 && count <= QUANTITY_MAX)) {
    return { problem: `“${short(text)}” isn't a whole number from 1 to 1,000,000.` };
  }
  if (count % good.case === 0) return { count };
  const below = count - (count % good.case);
  const near = below ? `${below} or ${below + good.case}` : `${good.case}`;
  return { problem: `It is sold in cases of ${good.case}: order ${near}.` };
}

const TEXT_SHOWN = 80;

/** A cell may hold a whole text: enough of it to be found again. */
export const short = (text) => (text.length > TEXT_SHOWN ? `${text.slice(0, TEXT_SHOWN)}…` : text);

/** @type {WeakMap<Map<string, object>, Map<string, object | null>>} */
const folded = new WeakMap();

/**
 * By its sku as the book has it, or typed in another case, width or with another dash; unless that
 * could be two.
 */
export function goodOf(cell, bySku) {
  const exact = bySku.get(cell);
  if (exact) return exact;
  if (!folded.has(bySku)) {
    const index = new Map();
    for (const [sku, good] of bySku) index.set(fold(sku), index.has(fold(sku)) ? null : good);
    folded.set(bySku, index);
  }
  return folded.get(bySku).get(fold(cell)) ?? null;
}

/** What an unknown sku may be meant to be: the only good that differs by signs, or by one character. */
export function nearestGood(cell, bySku) {
  const bare = (text) => fold(text).replace(/[^\p{L}\p{N}]/gu, "");
  const wanted = bare(cell);
  const all = [...bySku.values()].filter(({ sold }) => sold !== false);
  const alike = all.filter(({ sku }) => bare(sku) === wanted);
  const near = alike.length ? alike : all.filter(({ sku }) => isOneOff(bare(sku), wanted));
  return wanted.length > 2 && near.length === 1 ? near[0] : null;
}

/** One character is another one, too many or missing, or two have changed places. */
function isOneOff(one, other) {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  const isRest = (skipped, from) => long.slice(at + skipped) === short.slice(at + from);
  if (long.length > short.length) return isRest(1, 0);
  return isRest(1, 1) || (long[at] === short[at + 1] && long[at + 1] === short[at] && isRest(2, 2));
}

const fold = (sku) => plain(sku).normalize("NFKC").toLowerCase().replace(/[\p{Pd}−]/gu, "-");

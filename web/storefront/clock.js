/**
 * The service's clock. An order's id carries the time, and one that is more than five minutes ahead
 * is refused: a device with a wrong clock could order nothing.
 */
import { tab } from "./storage.js";

/** A difference that small is the network's. */
const NOTICED_MS = 30_000;
/** How far ahead this device is, ms: for the next page of this tab, until it learns better. */
const AHEAD = "clock-ahead";
let ahead = Number(tab.getItem(AHEAD)) || 0;

/** Learn from an answer of the API: it is never cached. */
export function learn(answer) {
  learnTime(Date.parse(answer.headers.get("date") ?? ""));
}

/** @param {number} theirs what a server of ours took the time for just now, ms; NaN is no news */
export function learnTime(theirs) {
  if (Number.isNaN(theirs)) return;
  const difference = Date.now() - theirs;
  const before = ahead;
  ahead = Math.abs(difference) > NOTICED_MS ? difference : 0;
  if (Math.abs(ahead - before) < NOTICED_MS) return;
  tab.setItem(AHEAD, String(ahead));
  globalThis.dispatchEvent?.(new Event("clock"));
}

/** @returns {number} ms since 1970, as the service counts them */
export function serviceNow() {
  return Date.now() - ahead;
}

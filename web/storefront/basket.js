/**
 * The baskets, one for each channel, shared by the browser's tabs.
 *
 * A basket carries the id of the order that it will become, so that however often and in however
 * many tabs "pay" is pressed, it is one order. Ordering empties the basket, and a new one has a new
 * id. Losing a basket loses no order: localStorage is good enough.
 */
import { timeOf, uuid7 } from "./outbox.js";

/** The service takes ids up to 24 h old when it first sees them: leave most of that to the outbox. */
const ID_AGE_MAX_MS = 60 * 60_000;
/** It refuses ids of the future: one that a wrong clock made is not used. */
const ID_AHEAD_MAX_MS = 60_000;
export const QUANTITY_MAX = 999;

/** @typedef {{sku: string, quantity: number}} Line */

export class Basket {
  /** @param {"retail" | "wholesale"} channel */
  constructor(channel, storage = localStorage) {
    this.channel = channel;
    this.storage = storage;
    this.key = `basket.${channel}`;
  }

  /** @returns {{id: string | null, lines: Line[], purchase_order: string, coupon: string | null}} */
  read() {
    const empty = { id: null, lines: [], purchase_order: "", coupon: null };
    try {
      return { ...empty, ...JSON.parse(this.storage.getItem(this.key)) };
    } catch {
      return empty;
    }
  }

  get lines() {
    return this.read().lines;
  }

  /** Pieces, not lines. */
  get count() {
    return this.lines.reduce((sum, line) => sum + line.quantity, 0);
  }

  change(change) {
    this.storage.setItem(this.key, JSON.stringify({ ...this.read(), ...change }));
    globalThis.dispatchEvent?.(new Event("basket"));
  }

  add(sku, quantity) {
    const present = this.lines.find((line) => line.sku === sku)?.quantity ?? 0;
    this.set(sku, Math.min(present + quantity, QUANTITY_MAX));
  }

  /** A quantity of 0 takes the line out. */
  set(sku, quantity) {
    const lines = this.lines.filter((line) => line.sku !== sku || quantity > 0);
    const line = lines.find((candidate) => candidate.sku === sku);
    if (line) line.quantity = quantity;
    else if (quantity > 0) lines.push({ sku, quantity });
    this.change({ lines });
  }

  empty() {
    this.storage.removeItem(this.key);
    globalThis.dispatchEvent?.(new Event("basket"));
  }

  /** The id that this basket's order has, or will have: made before anything can be pressed. */
  orderId(now) {
    const { id } = this.read();
    const age = id ? now - timeOf(id) : Number.NaN;
    if (age > -ID_AHEAD_MAX_MS && age < ID_AGE_MAX_MS) return id;
    const made = uuid7(now);
    this.change({ id: made });
    return made;
  }

  /** Only what the catalogue still has: it may have changed since. */
  keepOnly(known) {
    const lines = this.lines;
    const kept = lines.filter((line) => known.has(line.sku));
    if (kept.length < lines.length) this.change({ lines: kept });
  }
}

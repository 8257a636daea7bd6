/**
 * The baskets, one for each channel, shared by the browser's tabs.
 *
 * A basket carries the id of the order that it will become, so that however often and in however
 * many tabs "pay" is pressed, it is one order. Ordering empties the basket, and a new one has a new
 * id. Losing a basket loses no order: localStorage is good enough.
 */
import { timeOf, uuid7 } from "./outbox.js";
import { local } from "./storage.js";

/** The service takes ids up to 24 h old when it first sees them: leave most of that to the outbox. */
const ID_AGE_MAX_MS = 60 * 60_000;
/** It refuses ids of the future: one that a wrong clock made is not used. */
const ID_AHEAD_MAX_MS = 60_000;
export const QUANTITY_MAX = 999;

export const QUANTITY_ASKED = `A whole number from 1 to ${QUANTITY_MAX}, please.`;

/**
 * A line remembers what it is called and what it cost when the customer chose it, so that a price
 * that has changed can be shown as changed, and an article that is gone can be named.
 *
 * @typedef {object} Line
 * @property {string} sku
 * @property {number} quantity
 * @property {string} [name]
 * @property {Record<string, number | [number, number][]>} [seen] prices by price list
 */

export class Basket {
  /** @param {"retail" | "wholesale"} channel */
  constructor(channel, storage = local) {
    this.channel = channel;
    this.storage = storage;
    this.key = `basket.${channel}`;
  }

  /**
   * `sum` is what the basket came to when its id was made. `ask`: the store has refused what the
   * catalogue says, so that the next sum is the store's to say.
   *
   * @returns {{id: string | null, sum: string | null, lines: Line[], purchase_order: string,
   *   coupons: string[], ask: boolean}}
   */
  read() {
    const empty = { id: null, sum: null, lines: [], purchase_order: "", coupons: [], ask: false };
    try {
      const { lines = [], ...rest } = JSON.parse(this.storage.getItem(this.key)) ?? {};
      return { ...empty, ...rest, lines: lines.map(whole) };
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

  /** @returns {boolean} whether the browser has stored it: the next page has it too */
  change(change) {
    const stored = this.storage.setItem(this.key, JSON.stringify({ ...this.read(), ...change }));
    globalThis.dispatchEvent?.(new Event("basket"));
    return stored;
  }

  /**
   * @param {{sku: string, name: string, prices: object}} good as in the catalogue
   * @returns {{stored: boolean, taken: number, left: number}} how many there are now, and how many
   *   were too many for one order
   */
  add(good, quantity) {
    const lines = this.lines;
    const line = lines.find(({ sku }) => sku === good.sku);
    const wanted = quantity + (line?.quantity ?? 0);
    const taken = Math.min(wanted, QUANTITY_MAX);
    if (line) line.quantity = taken;
    else lines.push(this.lineOf(good, taken));
    return { stored: this.change({ lines }), taken, left: wanted - taken };
  }

  /** A quantity of 0 takes the line out. */
  set(sku, quantity) {
    const lines = this.lines.filter((line) => line.sku !== sku || quantity > 0);
    const line = lines.find((candidate) => candidate.sku === sku);
    if (line) line.quantity = quantity;
    this.change({ lines });
  }

  /**
   * Take back an order that came to nothing, with the prices of then, so that the checkout shows what
   * has changed. What was put in since stays.
   *
   * @param {object} order as it was sent
   * @param {import("./outbox.js").Violation[]} violations why it was refused
   * @param {import("./catalogue.js").Catalogue | null} shop for names
   */
  putBack({ currency, lines, discounts = [], purchase_order }, violations, shop) {
    const now = this.read();
    const wholesale = this.channel === "wholesale";
    const since = now.lines.filter(({ sku }) => wholesale || !lines.some((line) => line.sku === sku));
    const again = lines.map(({ sku, quantity, unit_price }) => {
      const more = wholesale ? 0 : now.lines.find((line) => line.sku === sku)?.quantity ?? 0;
      return {
        sku, name: shop?.bySku.get(sku)?.name ?? sku, seen: { [`${this.channel} ${currency}`]: unit_price },
        quantity: more ? Math.min(quantity + more, QUANTITY_MAX) : quantity,
      };
    });
    const used = violations.some(({ rule }) => rule === "purchase_order_used");
    this.change({
      id: null,
      ask: violations.some(isAboutPrice),
      lines: [...again, ...since],
      coupons: [...new Set([...discounts.map(({ coupon }) => coupon), ...now.coupons])],
      // One that another order has is asked for anew.
      purchase_order: used ? "" : purchase_order ?? now.purchase_order,
    });
  }

  /** @returns {Line} */
  lineOf({ sku, name, prices }, quantity) {
    const ours = Object.entries(prices).filter(([list]) => list.startsWith(this.channel));
    return { sku, quantity, name, seen: Object.fromEntries(ours) };
  }

  empty() {
    this.storage.removeItem(this.key);
    globalThis.dispatchEvent?.(new Event("basket"));
  }

  /**
   * The id that this basket's order has, or will have: made before anything can be pressed, when a
   * sum is shown. Another sum has another id, because the store's price is that of the id's time.
   *
   * @param {string} sum
   */
  orderId(now, sum) {
    const { id, sum: shown } = this.read();
    const age = id && sum === shown ? now - timeOf(id) : Number.NaN;
    if (age > -ID_AHEAD_MAX_MS && age < ID_AGE_MAX_MS) return id;
    const made = uuid7(now);
    this.change({ id: made, sum });
    return made;
  }
}

/** Whether the store says otherwise than the catalogue of this page. */
function isAboutPrice({ rule }) {
  return /^(price_changed|article|case|coupon|delivery)|_differs$/.test(rule);
}

/** A line as a field can show it, whatever an older page has stored. */
function whole(line) {
  return Number.isInteger(line.quantity) && line.quantity > 0 ? line : { ...line, quantity: 1 };
}

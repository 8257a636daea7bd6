/**
 * What a basket comes to, as it is shown, paid and ordered.
 *
 * The catalogue's prices are added up here (pricing.js). What a coupon takes off only the store
 * knows, so with one in it the basket's sum is a quote of the store's; also after the store has
 * refused a sum of ours.
 */
import { unitPrice } from "./pricing.js";

/** Minor units: an order of more is refused. */
const TOTAL_MAX = 10_000_000_000;
export const STATE_MISSING = "Choose your state: the tax depends on it.";

/** A line with one of these is not for sale now: it is shown, and not ordered. */
const GONE = new Map([
  ["article_unknown", "We don't sell this any more."],
  ["article_not_on_channel", "We don't sell this in this currency."],
  ["article_not_available", "This can't be bought at the moment."],
]);
const LINE = /^\/lines\/(\d+)\//;
const COUPON = /^\/coupons\/(\d+)$/;

/**
 * @typedef {object} Shown one line of the basket
 * @property {string} sku
 * @property {number} quantity
 * @property {string} name
 * @property {import("./catalogue.js").Good | null} good
 * @property {number | null} unit_price null where it is not ordered
 * @property {number | null} before what a piece cost when it was chosen, where that was another price
 * @property {string | null} problem
 *
 * @typedef {object} Sums
 * @property {Shown[]} lines
 * @property {object[]} ordered lines as an order has them
 * @property {{coupon: string, amount: number}[]} discounts
 * @property {number} subtotal
 * @property {number} shipping
 * @property {number} tax
 * @property {number} total
 * @property {Map<string, string>} refused coupons that take nothing off, with the rule
 * @property {string | null} problem why this can't be ordered
 * @property {string} prices the address of the catalogue: other prices may come to the same sum
 */

/**
 * @param {import("./catalogue.js").Catalogue} shop
 * @param {{channel: string, currency: string, lines: import("./basket.js").Line[], country: string,
 *   state: string, coupons: string[]}} basket
 * @param {number} at ms
 * @param {((basket: object) => Promise<object>) | null} ask asks the store; null to add up here
 * @returns {Promise<Sums>} rejects when the store was asked and gave no quote
 */
export async function sumsOf(shop, basket, at, ask = null) {
  // What the catalogue does not have need not be asked about.
  const gone = ask ? goneOf(basket.lines, shop.sums(basket, at).refusals) : new Map();
  for (;;) {
    const ordered = basket.lines.filter((line) => !gone.has(line.sku));
    const priced = await priceOf(shop, { ...basket, lines: ordered.map(({ sku, quantity }) => ({ sku, quantity })) }, at, ask);
    const before = gone.size;
    for (const [sku, rule] of goneOf(ordered, priced.refusals)) gone.set(sku, rule);
    // Without what is gone, delivery may cost something else.
    if (gone.size === before) return combined(shop, basket, ordered, gone, priced);
  }
}

/** By sku, why it is not for sale. */
function goneOf(lines, refusals) {
  return new Map(refusals.filter(({ rule }) => GONE.has(rule))
    .map(({ rule, pointer }) => [lines[Number(LINE.exec(pointer)[1])].sku, rule]));
}

async function priceOf(shop, basket, at, ask) {
  if (!basket.lines.length) return { unit_prices: [], discounts: [], shipping: 0, tax: 0, total: 0, refusals: [] };
  if (!ask) return { discounts: [], ...shop.sums(basket, at) };
  const { lines, violations, ...sums } = await ask(basket);
  return { ...sums, unit_prices: lines.map((line) => line.unit_price), refusals: violations };
}

function combined(shop, basket, ordered, gone, { unit_prices, refusals, discounts, shipping, tax, total }) {
  const prices = new Map(ordered.map(({ sku }, index) => [sku, unit_prices[index]]));
  const cases = new Map(refusals.filter(({ rule }) => rule === "case_pack_broken")
    .map(({ pointer, expected }) => [Number(LINE.exec(pointer)[1]), expected]));
  const quantities = new Map();
  for (const { sku, quantity } of basket.lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  const refused = refusals.filter(({ pointer }) => COUPON.test(pointer))
    .map(({ pointer, rule }) => [basket.coupons[Number(COUPON.exec(pointer)[1])], rule]);
  return {
    lines: basket.lines.map((line) => ({
      ...shownLine(shop, basket, line, prices.get(line.sku) ?? null, quantities.get(line.sku)),
      problem: GONE.get(gone.get(line.sku)) ?? null,
    })),
    ordered: ordered.map(({ sku, quantity }, index) => ({ sku, quantity, unit_price: unit_prices[index] })),
    discounts, shipping, tax, total,
    subtotal: ordered.reduce((sum, { quantity }, index) => sum + quantity * (unit_prices[index] ?? 0), 0),
    refused: new Map(refused),
    problem: problemOf(refusals, ordered, cases, total),
    prices: shop.address,
  };
}

function shownLine(shop, { channel, currency }, line, price, quantity) {
  const good = shop.bySku.get(line.sku) ?? null;
  const seen = unitPrice(line.seen?.[`${channel} ${currency}`], quantity);
  return {
    sku: line.sku, quantity: line.quantity, name: good?.name ?? line.name ?? line.sku, good,
    unit_price: price,
    before: price !== null && seen !== null && seen !== price ? seen : null,
  };
}

function problemOf(refusals, ordered, cases, total) {
  if (!ordered.length) return "There is nothing in this order that can be bought now.";
  if (total > TOTAL_MAX) return "This comes to more than one order may. Check the quantities, or order it in parts.";
  for (const [index, expected] of cases) {
    return `${ordered[index].name ?? ordered[index].sku} is sold by the case: order ${expected}.`;
  }
  const rules = new Set(refusals.map(({ rule }) => rule));
  if (rules.has("delivery_not_offered")) return "We don't deliver to this country.";
  if (rules.has("state_unknown")) return STATE_MISSING;
  if (rules.has("currency_not_accepted")) return "We don't sell in this currency here.";
  return null;
}

const COUPON_PROBLEMS = {
  coupon_unknown: "There is no such coupon.",
  coupon_not_on_channel: "This coupon is not for this kind of order.",
  coupon_not_begun: "This coupon can't be used yet.",
  coupon_expired: "This coupon has expired.",
  coupon_below_minimum: "The goods cost too little for this coupon.",
  coupon_not_combinable: "This coupon can't be used together with another one.",
  coupon_not_for_these_goods: "This coupon takes nothing off these goods.",
  coupon_mistyped: "This code is mistyped. Please check it.",
  coupon_used_up: "This coupon is used up.",
  coupon_used: "You have used this coupon already.",
  coupon_tries_too_many: "You have tried many coupons. Please wait a quarter of an hour.",
  coupon_reason_withheld: "You have tried many coupons, so the store can't say more. Order without one, or wait a quarter of an hour.",
  quotes_not_offered: "This store takes no coupons here.",
};

/** Why a coupon takes nothing off, as a sentence. */
export const couponProblem = (rule) => COUPON_PROBLEMS[rule] ?? "This coupon can't be used for this order.";

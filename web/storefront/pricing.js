/**
 * What a basket costs by the store's public price list: the same sums as the service makes
 * (src/orders/domain/pricing.py), which docs/contracts/vectors/pricing.json holds both to. Coupons
 * are not in it, since their terms are not public: a quote has what they take off.
 *
 * Money is in minor units, times are Unix milliseconds, rates are parts per million.
 */

const WHOLE = 1_000_000;
const ELSEWHERE = "*";

/**
 * @typedef {{channel: string, currency: string, lines: {sku: string, quantity: number}[],
 *   country: string, state?: string}} Basket
 * @typedef {{rule: string, pointer: string, expected?: number}} Refusal
 * @typedef {object} Priced
 * @property {(number | null)[]} unit_prices null where a line is not sold: it then costs nothing
 * @property {number} subtotal
 * @property {number} shipping
 * @property {number} tax
 * @property {number} total
 * @property {Refusal[]} refusals why the store would not sell this
 */

/**
 * @param {Basket} basket
 * @param {object} catalogue the public price list: `price_lists`, `delivery` and `taxes` as in the
 *   price book, and `bySku`, its goods
 * @param {number} at
 * @returns {Priced}
 */
export function price(basket, catalogue, at) {
  const refusals = [];
  const goods = goodsOf(basket, catalogue, refusals);
  const unit_prices = unitPrices(basket, goods, at, refusals);
  const amounts = basket.lines.map(({ quantity }, index) => quantity * (unit_prices[index] ?? 0));
  const subtotal = sum(amounts);
  const shipping = deliveryOf(basket, catalogue, goods, subtotal, refusals);
  const tax = taxOf(basket, catalogue, goods, amounts, shipping, refusals);
  return { unit_prices, subtotal, shipping, tax, total: subtotal + shipping + tax, refusals };
}

/**
 * What one piece costs when so many are ordered.
 *
 * @param {number | [number, number][] | undefined} prices one, or quantity breaks: [from, price]
 *   pairs, rising, the first from 1
 * @returns {number | null} null where it is not sold
 */
export function unitPrice(prices, quantity) {
  return Array.isArray(prices) ? prices.findLast(([from]) => from <= quantity)[1] : prices ?? null;
}

/** Each line's good; null where there is none, and for all where nothing is sold in the currency. */
function goodsOf({ channel, currency, lines }, { price_lists: lists, bySku }, refusals) {
  if (lists.includes(`${channel} ${currency}`)) return lines.map(({ sku }) => bySku.get(sku) ?? null);
  refusals.push({ rule: "currency_not_accepted", pointer: "/currency" });
  return lines.map(() => null);
}

function unitPrices({ channel, currency, lines }, goods, at, refusals) {
  if (refusals.length) return lines.map(() => null);
  const quantities = new Map();
  for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  return lines.map(({ sku }, index) => {
    const good = goods[index];
    const refuse = (rule, field, more) => refusals.push({ rule, pointer: `/lines/${index}/${field}`, ...more });
    if (!good) {
      refuse("article_unknown", "sku");
      return null;
    }
    const quantity = quantities.get(sku);
    const found = unitPrice(good.prices[`${channel} ${currency}`], quantity);
    if (found === null) refuse("article_not_on_channel", "sku");
    const pack = channel === "wholesale" ? good.case ?? 1 : 1;
    if (quantity % pack) refuse("case_pack_broken", "quantity", { expected: Math.ceil(quantity / pack) * pack });
    if (!isAvailable(good, at)) refuse("article_not_available", "sku");
    return found;
  });
}

export function isAvailable({ available_from: from = 0, available_until: until = Infinity }, at) {
  return at >= from && at < until;
}

function deliveryOf({ channel, currency, country, lines }, { delivery: rates }, goods, net, refusals) {
  const rate = rates[`${channel} ${country} ${currency}`] ?? rates[`${channel} ${ELSEWHERE} ${currency}`];
  if (!rate) {
    refusals.push({ rule: "delivery_not_offered", pointer: "/address/country" });
    return 0;
  }
  if (rate.free_from !== null && net >= rate.free_from) return 0;
  const measure = rate.by === "weight"
    ? lines.reduce((sum, { quantity }, index) => sum + quantity * (goods[index]?.weight_grams ?? 0), 0)
    : net;
  return (rate.bands.findLast(([from]) => from <= measure) ?? rate.bands[0])[1];
}

/**
 * Of the state, else of the country, else of everywhere else; undefined where it is not known, as in
 * a state that is not named of a country whose states are.
 */
export function taxAt({ channel, country, state }, taxes) {
  const at = (place) => taxes[`${channel} ${place}`];
  const named = (state && at(`${country}-${state}`)) || at(country);
  return named || taxedByState(channel, country, taxes) ? named : at(ELSEWHERE);
}

const taxedByState = (channel, country, taxes) => (
  Object.keys(taxes).some((key) => key.startsWith(`${channel} ${country}-`))
);

function taxOf(basket, { taxes }, goods, amounts, shipping, refusals) {
  const { channel, country } = basket;
  const tax = taxAt(basket, taxes);
  if (!tax && taxedByState(channel, country, taxes)) {
    refusals.push({ rule: "state_unknown", pointer: "/address/state" });
  }
  if (!tax || tax.included) return 0;
  const taxed = goods.flatMap((good, index) => (good ? [[tax.rates[good.tax_class ?? 0], amounts[index]]] : []));
  taxed.push([tax.delivery_rate, shipping]);
  if (tax.per === "line") return sum(taxed.map(([rate, amount]) => rounded(rate, amount, tax)));
  const byRate = new Map();
  for (const [rate, amount] of taxed) byRate.set(rate, (byRate.get(rate) ?? 0) + amount);
  return sum([...byRate].map(([rate, amount]) => rounded(rate, amount, tax)));
}

/** A rate of an amount. BigInt, because the product may be more than a number holds exactly. */
function rounded(rate, amount, { rounding }) {
  const half = rounding === "half_up" ? WHOLE / 2 : 0;
  return Number((BigInt(rate) * BigInt(amount) + BigInt(half)) / BigInt(WHOLE));
}

const sum = (amounts) => amounts.reduce((total, amount) => total + amount, 0);

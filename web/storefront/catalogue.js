/** What is for sale: catalogue.json, which the build makes of the store's price book. */
import { asset } from "./dom.js";

let loading;

/**
 * @typedef {object} Good
 * @property {string} sku
 * @property {string} name
 * @property {string} category
 * @property {string} note one sentence
 * @property {string} art a symbol of goods.svg
 * @property {string} glaze its colours, a class of the style sheet
 * @property {Record<string, number>} prices retail, tax included, minor units by currency
 * @property {Record<string, number>} trade wholesale, without tax
 * @property {number} case how many are in a case: wholesale is sold by the case
 */
/** @returns {Promise<Catalogue>} */
export function catalogue() {
  loading ??= fetch(asset("catalogue.json")).then((answer) => answer.json()).then(
    (content) => new Catalogue(content),
  );
  return loading;
}

/** One rate is this much of its base. */
const WHOLE = 1_000_000;

export class Catalogue {
  constructor(content) {
    const currencies = (channel, of) => Object.fromEntries(
      content.price_lists.map((list) => list.split(" ")).filter(([on]) => on === channel)
        .map(([, currency]) => [currency, of(currency)]));
    /** @type {Good[]} */
    this.goods = content.goods.map((good) => ({
      case: 1, ...good,
      prices: currencies("retail", (currency) => good.prices[`retail ${currency}`]),
      trade: currencies("wholesale", (currency) => good.prices[`wholesale ${currency}`]),
    }));
    this.categories = content.categories;
    this.coupons = content.coupons;
    this.countries = content.countries.map((code) => [code, countryName(code)]);
    const [home] = content.countries;
    this.terms = Object.fromEntries(["retail", "wholesale"].map((channel) => {
      const rate = (currency) => content.delivery[`${channel} ${home} ${currency}`];
      const tax = content.taxes[`${channel} ${home}`];
      return [channel, {
        tax_percent: tax.included ? 0 : (tax.rates[0] * 100) / WHOLE,
        bands: currencies(channel, (currency) => rate(currency).bands),
        shipping: currencies(channel, (currency) => rate(currency).bands.at(-1)[1]),
        free_shipping_from: currencies(channel, (currency) => rate(currency).free_from),
      }];
    }));
    this.bySku = new Map(this.goods.map((good) => [good.sku, good]));
  }

  /** @returns {number} minor units */
  price(good, channel, currency) {
    return (channel === "wholesale" ? good.trade : good.prices)[currency];
  }

  /**
   * What an order of these lines comes to, in minor units: exactly the sum that the order service
   * checks.
   *
   * @param {{sku: string, quantity: number}[]} lines
   */
  bill({ lines, channel, currency, coupon = null }) {
    const priced = lines.map(({ sku, quantity }) => ({
      sku, quantity, unit_price: this.price(this.bySku.get(sku), channel, currency),
    }));
    const subtotal = priced.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
    const discounts = this.#discounts(coupon, subtotal);
    const net = subtotal - discounts.reduce((sum, discount) => sum + discount.amount, 0);
    const terms = this.terms[channel];
    const [, price] = terms.bands[currency].findLast(([from]) => from <= net);
    const shipping = net >= terms.free_shipping_from[currency] ? 0 : price;
    const tax = Math.round(((net + shipping) * terms.tax_percent) / 100);
    return { lines: priced, subtotal, discounts, shipping, tax, total: net + shipping + tax };
  }

  #discounts(coupon, subtotal) {
    const percent = this.coupons[coupon];
    const amount = percent ? Math.floor((subtotal * percent) / 100) : 0;
    return amount > 0 ? [{ coupon, amount }] : [];
  }
}

function countryName(code) {
  return new Intl.DisplayNames(["en"], { type: "region" }).of(code);
}

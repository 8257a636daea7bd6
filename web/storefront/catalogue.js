/** What is for sale, from the store's price book: catalogue.json has all of it but the coupons. */
import { asset } from "./dom.js";
import { isAvailable, price, taxAt, unitPrice } from "./pricing.js";

let loading;

/**
 * @typedef {object} Good
 * @property {string} sku
 * @property {string} name
 * @property {string} category
 * @property {string} note one sentence
 * @property {string} art a symbol of goods.svg
 * @property {string} glaze its colours, a class of the style sheet
 * @property {Record<string, number | [number, number][]>} prices by price list ("retail GBP"), minor
 *   units; or quantity breaks, [from, price] pairs
 * @property {number} case how many are in a case: wholesale is sold by the case
 * @property {number} [available_from] ms
 * @property {number} [available_until] ms
 */
/** @returns {Promise<Catalogue>} */
export function catalogue() {
  loading ??= fetch(asset("catalogue.json")).then((answer) => answer.json()).then(
    (content) => new Catalogue(content),
  );
  return loading;
}

export class Catalogue {
  constructor(content) {
    /** @type {Good[]} */
    this.goods = content.goods.map((good) => ({ case: 1, ...good }));
    this.categories = content.categories;
    // As the price book has them, for pricing.js.
    this.price_lists = content.price_lists;
    this.delivery = content.delivery;
    this.taxes = content.taxes;
    this.countries = content.countries.map((code) => [code, countryName(code)]);
    this.bySku = new Map(this.goods.map((good) => [good.sku, good]));
  }

  /** What can be bought now. */
  sold(channel, currency, at) {
    return this.goods.filter((good) => this.price(good, channel, currency) !== null && isAvailable(good, at));
  }

  /** @returns {number | null} minor units a piece; null where it is not sold like this */
  price(good, channel, currency, quantity = 1) {
    return unitPrice(good.prices[priceList(channel, currency)], quantity);
  }

  /**
   * What delivery costs at most, and from which sum on it is free; null where the store does not
   * deliver.
   */
  deliveryTerms(channel, country, currency) {
    const rate = this.delivery[`${channel} ${country} ${currency}`] ?? this.delivery[`${channel} * ${currency}`];
    return rate ? { price: Math.max(...rate.bands.map(([, price]) => price)), free_from: rate.free_from } : null;
  }

  /** The first that is delivered to in a currency, else the first: [code, name]. */
  firstCountry(channel, currency) {
    const [first] = this.countries;
    return this.countries.find(([code]) => this.deliveryTerms(channel, code, currency)) ?? first;
  }

  /** Whether what is paid there has a tax in it. */
  includesTax(channel, { country, state }) {
    const tax = taxAt({ channel, country, state }, this.taxes);
    return Boolean(tax?.included && tax.rates.some((rate) => rate > 0));
  }

  /** What a basket comes to by the price book, without coupons: see pricing.js. */
  sums(basket, at) {
    return price(basket, this, at);
  }
}

export const priceList = (channel, currency) => `${channel} ${currency}`;

function countryName(code) {
  return new Intl.DisplayNames("en", { type: "region" }).of(code);
}

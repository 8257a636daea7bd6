/**
 * What is for sale, from the store's price books: a catalogue has all of a book but the coupons.
 * /prices.json says which catalogue counts from when, as the service's own list of books does.
 */
import { serviceNow } from "./clock.js";
import { isAvailable, price, taxAt, unitPrice } from "./pricing.js";

const LIST = "/prices.json";
/** A book begins two minutes after it was published: a list that is younger has all that counts. */
const LIST_AGE_MAX_MS = 60_000;
const TIMEOUT_MS = 10_000;

/** By begin, the earliest first. @type {{begins: number, catalogue: string}[]} */
let books = [];
let listedAt = -Infinity;
/** @type {Catalogue | null} */
let shop = null;

/**
 * @typedef {object} Good
 * @property {string} sku
 * @property {string} name its sku, where the price book has no such column
 * @property {string} [category]
 * @property {string} [note] one sentence
 * @property {string} [art] a symbol of goods.svg
 * @property {string} [glaze] its colours, a class of the style sheet
 * @property {Record<string, number | [number, number][]>} prices by price list ("retail GBP"), minor
 *   units; or quantity breaks, [from, price] pairs
 * @property {number} case how many are in a case: wholesale is sold by the case
 * @property {number} [available_from] ms
 * @property {number} [available_until] ms
 */
/**
 * What counts now: at another time it may be another catalogue. Without a connection it is the one
 * that the page has; the service refuses what is not its price.
 *
 * @returns {Promise<Catalogue>} rejects where none can be had
 */
export async function catalogue() {
  try {
    await look(serviceNow());
  } catch (error) {
    if (!shop) throw error;
  }
  return shop;
}

async function look(now) {
  if (Math.abs(now - listedAt) > LIST_AGE_MAX_MS) await list(now);
  const begun = books.filter(({ begins }) => begins <= now).reverse();
  // By a clock that is wrong, a book may count that the store does not hand out yet.
  for (const { catalogue: address } of begun.length ? begun : books.slice(0, 1)) {
    if (address === shop?.address) return;
    try {
      shop = new Catalogue(await read(address, "default"), address);
      return;
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
  throw new Error("No price book is in force.");
}

/** The list stays as it is where there is no answer, and is asked for again in a minute. */
async function list(now) {
  try {
    ({ books } = await read(LIST, books.length ? "no-cache" : "default"));
  } catch (error) {
    if (!books.length) throw error;
  }
  listedAt = now;
}

async function read(address, cache) {
  const answer = await fetch(address, { cache, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw Object.assign(new Error(`${address} was answered ${answer.status}`), { status: answer.status });
  return answer.json();
}

/**
 * What addresses have, by country code: see address.js. None if it can't be had, for a store must sell
 * all the same.
 *
 * @returns {Promise<Record<string, object>>}
 */
export async function addressFormats() {
  try {
    return await (await fetch("/address-formats.json", { signal: AbortSignal.timeout(TIMEOUT_MS) })).json();
  } catch {
    return {};
  }
}

export class Catalogue {
  /** @param {string} address names the catalogue: another one has another address */
  constructor(content, address) {
    this.address = address;
    /** @type {Good[]} */
    this.goods = content.goods.map((good) => ({ case: 1, name: good.sku, ...good }));
    /** By key, as the book's `catalogue.page` has them; a store may have none. */
    this.categories = content.categories ?? {};
    // As the price book has them, for pricing.js.
    this.price_lists = content.price_lists;
    this.delivery = content.delivery;
    this.taxes = content.taxes;
    this.countries = content.countries.map((code) => [code, countryName(code)]);
    this.bySku = new Map(this.goods.map((good) => [good.sku, good]));
  }

  /** In which the store sells on this channel, as far as everybody may see it: in the book's order. */
  currencies(channel) {
    return this.price_lists.map((list) => list.split(" ")).filter(([sold]) => sold === channel).map(([, code]) => code);
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

/** Where a good is shown. A sku may have any character. */
export const productPage = (sku) => `/product?${new URLSearchParams({ sku })}`;

export const priceList = (channel, currency) => `${channel} ${currency}`;

export function countryName(code) {
  return new Intl.DisplayNames("en", { type: "region" }).of(code);
}

/** The storefront's sums are the service's: docs/contracts/vectors/pricing.json. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { price } from "../../web/storefront/pricing.js";

const { books, cases } = JSON.parse(
  readFileSync(new URL("../../docs/contracts/vectors/pricing.json", import.meta.url)),
);
const BOOKS = new Map(Object.entries(books).map(([name, book]) => (
  [name, { ...book, bySku: new Map(book.goods.map((good) => [good.sku, good])) }])));

for (const [index, { book, at, basket, priced }] of cases.entries()) {
  test(`case ${index}: ${basket.channel}, ${book}`, () => {
    const { subtotal, ...made } = price(basket, BOOKS.get(book), at);
    assert.deepEqual(made, priced);
    assert.equal(subtotal, made.total - made.shipping - made.tax);
  });
}

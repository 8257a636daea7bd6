/** A wholesale buyer's list, and what an order of it comes to. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Basket } from "../../web/storefront/basket.js";
import { LINES_MAX, quantityProblem, readSheet } from "../../web/storefront/sheet.js";
import { timeOf } from "../../web/storefront/outbox.js";

const GOODS = new Map([
  { sku: "MUG-SAGE", case: 6 }, { sku: "SOAP", case: 1 }, { sku: "jug-clay", case: 1 }, { sku: "Vase-Sea", case: 1 },
].map((good) => [good.sku, good]));
const read = (text) => readSheet(text, GOODS);

test("commas, semicolons, tabs, quotes, a heading, a BOM, and any line ends", () => {
  for (const text of [
    "MUG-SAGE,6\nSOAP,2", "\uFEFFsku;quantity\r\nMUG-SAGE;6\r\nSOAP;2\r\n", "mug-sage\t6\rsoap\t2",
    '"MUG-SAGE","6"\n\n"SOAP" , 2 , a note',
  ]) {
    assert.deepEqual(read(text), {
      lines: [{ sku: "MUG-SAGE", quantity: 6 }, { sku: "SOAP", quantity: 2 }], errors: [],
    });
  }
});

test("a bad line is named by its number and left out; the others stay", () => {
  const { lines, errors } = read("sku,quantity\nMUG-SAGE,7\nNOPE,6\nSOAP\nSOAP,-1\nSOAP,1e9\nSOAP,3");
  assert.deepEqual(lines, [{ sku: "SOAP", quantity: 3 }]);
  assert.deepEqual(errors.map(({ line, problem }) => [line, problem]), [
    [2, "sold in cases of 6: order 6 or 12"],
    [3, "there is no NOPE in the catalogue"],
    [4, "the quantity is missing"],
    [5, '"-1" is not a whole number from 1 to 1,000,000'],
    [6, '"1e9" is not a whole number from 1 to 1,000,000'],
  ]);
});

test("a sku is found as the store writes it, whatever its case", () => {
  assert.deepEqual(read("jug-clay,1\nJUG-CLAY,2\nVase-Sea,3\nmug-sage,6").lines.map(({ sku }) => sku), [
    "jug-clay", "jug-clay", "Vase-Sea", "MUG-SAGE",
  ]);
});

test("a sku that comes twice stays twice, in the buyer's order", () => {
  assert.deepEqual(read("SOAP,1\nMUG-SAGE,6\nSOAP,2").lines.map((line) => line.quantity), [1, 6, 2]);
});

test("an order's last line is the 2,000th", () => {
  const { lines, errors } = read("SOAP,1\n".repeat(LINES_MAX + 1));
  assert.deepEqual([lines.length, errors.length], [LINES_MAX, 1]);
});

test("less than a case is rounded up to one", () => {
  assert.equal(quantityProblem(5, { case: 6 }), "sold in cases of 6: order 6");
  assert.equal(quantityProblem(12, { case: 6 }), null);
});

class Storage {
  items = new Map();
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) { this.items.set(key, value); }
  removeItem(key) { this.items.delete(key); }
}

const SOAP = { sku: "SOAP", name: "Soap", prices: { "retail GBP": 350, "wholesale GBP": 175 } };

test("a basket's order keeps its id until it is ordered, in every tab", () => {
  const storage = new Storage();
  const [one, other] = [new Basket("retail", storage), new Basket("retail", storage)];
  one.add(SOAP, 2);
  const now = Date.now();
  assert.equal(one.orderId(now, "GBP 700"), other.orderId(now + 1_000, "GBP 700"));
  one.empty();
  other.add(SOAP, 1);
  assert.notEqual(one.orderId(now + 2_000, "GBP 350"), other.orderId(now + 4_000_000, "GBP 350"));
});

test("another sum has another id, whose time its prices are of", () => {
  const basket = new Basket("retail", new Storage());
  const now = Date.now();
  const first = basket.orderId(now, "GBP 700");
  const second = basket.orderId(now + 1_000, "GBP 750");
  assert.notEqual(first, second);
  assert.equal(timeOf(second), now + 1_000);
});

test("an id that has grown old, or came from a wrong clock, is made anew", () => {
  const basket = new Basket("retail", new Storage());
  const now = Date.now();
  basket.orderId(now + 600_000, "");
  assert.equal(timeOf(basket.orderId(now, "")), now);
  assert.equal(timeOf(basket.orderId(now + 7_200_000, "")), now + 7_200_000);
});

test("a line remembers its name and what it cost, on its own channel", () => {
  const basket = new Basket("retail", new Storage());
  basket.add(SOAP, 2);
  basket.add({ ...SOAP, prices: { "retail GBP": 400 } }, 1);
  assert.deepEqual(basket.lines, [{ sku: "SOAP", quantity: 3, name: "Soap", seen: { "retail GBP": 350 } }]);
});

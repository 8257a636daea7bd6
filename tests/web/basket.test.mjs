/** The basket: what a shopper put in stays in it, and is what is bought. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Basket, QUANTITY_MAX } from "../../web/storefront/basket.js";
import { wholeNumber } from "../../web/storefront/quantity.js";
import { Storage } from "./storage.mjs";

const GOOD = { sku: "MUG", name: "Mug", prices: { "retail GBP": 1400, "wholesale GBP": 700 } };
const line = (sku, quantity) => ({ sku, quantity, name: sku, seen: {} });
const ordered = (sku, quantity) => ({ sku, quantity, unit_price: 1400 });
const shown = ({ lines }) => lines.map(({ sku, quantity }) => [sku, quantity]);

function basket(channel, content = {}) {
  const made = new Basket(channel, new Storage());
  made.change(content);
  return made;
}

test("an order that came to nothing goes back beside what was put in since", () => {
  const retail = basket("retail", { lines: [line("MUG", 2), line("CUP", 1)], coupons: ["SUMMER"] });
  const order = { currency: "GBP", lines: [ordered("VASE", 1), ordered("MUG", 3)], discounts: [{ coupon: "WELCOME10" }, { coupon: "SUMMER" }] };
  retail.putBack(order, [{ rule: "tax_differs" }], null);
  assert.deepEqual(shown(retail), [["VASE", 1], ["MUG", 5], ["CUP", 1]]);
  assert.deepEqual(retail.read().coupons, ["WELCOME10", "SUMMER"]);
  assert.deepEqual(retail.lines[0].seen, { "retail GBP": 1400 });
  assert.equal(retail.read().ask, true);
});

test("a buyer's lines stay as and where they are, also when a sku comes twice", () => {
  const wholesale = basket("wholesale", { lines: [line("MUG", 6)], purchase_order: "PO-2" });
  const order = { currency: "GBP", lines: [ordered("MUG", 12), ordered("MUG", 6)], purchase_order: "PO-1" };
  wholesale.putBack(order, [], null);
  assert.deepEqual(shown(wholesale), [["MUG", 12], ["MUG", 6], ["MUG", 6]]);
  assert.equal(wholesale.read().purchase_order, "PO-1");
  assert.equal(wholesale.read().ask, false);
  wholesale.putBack(order, [{ rule: "purchase_order_used" }], null);
  assert.equal(wholesale.read().purchase_order, "");
});

test("a quantity field means the number that it shows, and nothing else", () => {
  for (const [text, number] of [["1", 1], [" 12 ", 12], ["007", 7], ["0", 0], ["\u0661\u0662", 12], ["\uff11\uff12", 12], [String(QUANTITY_MAX), QUANTITY_MAX]]) {
    assert.equal(wholeNumber(text, QUANTITY_MAX), number, text);
  }
  for (const text of [
    "", " ", "-1", "+12", "1.5", "1,5", "12.000", "12,000", "1e2", "0xC", "12 mugs", "NaN", "Infinity",
    "1000", "99999999999999999999",
  ]) assert.equal(wholeNumber(text, QUANTITY_MAX), null, text);
});

test("more than one order can have is taken as far as it goes, and the rest is said", () => {
  const retail = basket("retail");
  assert.deepEqual(retail.add(GOOD, 600), { stored: true, taken: 600, left: 0 });
  assert.deepEqual(retail.add(GOOD, 600), { stored: true, taken: 999, left: 201 });
  assert.deepEqual(shown(retail), [["MUG", QUANTITY_MAX]]);
});

test("what an older page or another hand has stored is no number that can't be bought", () => {
  for (const quantity of [null, "2", 1.5, 0, -1, undefined]) {
    assert.deepEqual(shown(basket("retail", { lines: [{ sku: "MUG", quantity }] })), [["MUG", 1]]);
  }
  for (const text of ["null", "{}", "{", "[]", "7", "{\"lines\": null}"]) {
    const storage = new Storage();
    storage.setItem("basket.retail", text);
    assert.deepEqual(new Basket("retail", storage).lines, [], text);
  }
});

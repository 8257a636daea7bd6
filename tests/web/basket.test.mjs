/** The basket: what a shopper put in stays in it, and is what is bought. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Basket, QUANTITY_MAX } from "../../web/storefront/basket.js";

/** A browser's storage, without the browser. */
class Storage {
  #items = new Map();
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#items.set(key, String(value)); }
  removeItem(key) { this.#items.delete(key); }
}

const GOOD = { sku: "MUG", name: "Mug", prices: { "retail GBP": 1400, "wholesale GBP": 700 } };
const line = (sku, quantity) => ({ sku, quantity, name: sku, seen: {} });
const shown = ({ lines }) => lines.map(({ sku, quantity }) => [sku, quantity]);

function basket(channel, content = {}) {
  const made = new Basket(channel, new Storage());
  made.change(content);
  return made;
}

test("an order that came to nothing goes back beside what was put in since", () => {
  const retail = basket("retail", { lines: [line("MUG", 2), line("CUP", 1)], coupons: ["SUMMER"] });
  retail.putBack({ lines: [line("VASE", 1), line("MUG", 3)], coupons: ["WELCOME10", "SUMMER"] });
  assert.deepEqual(shown(retail), [["VASE", 1], ["MUG", 5], ["CUP", 1]]);
  assert.deepEqual(retail.read().coupons, ["WELCOME10", "SUMMER"]);
});

test("a buyer's lines stay as and where they are, also when a sku comes twice", () => {
  const wholesale = basket("wholesale", { lines: [line("MUG", 6)], purchase_order: "PO-2" });
  wholesale.putBack({ lines: [line("MUG", 12), line("MUG", 6)], coupons: [], purchase_order: "PO-1" });
  assert.deepEqual(shown(wholesale), [["MUG", 12], ["MUG", 6], ["MUG", 6]]);
  assert.equal(wholesale.read().purchase_order, "PO-1");
});

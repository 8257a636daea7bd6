/** What the basket and the checkout show: changed prices, what is gone, and coupons. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Catalogue, productPage } from "../../web/storefront/catalogue.js";
import { price } from "../../web/storefront/pricing.js";
import { STATE_MISSING, couponProblem, sumsOf } from "../../web/storefront/sums.js";

const NOW = Date.parse("2026-11-23T10:00:00Z");
const included = { included: true, rates: [0], delivery_rate: 0, per: "order", rounding: "half_up" };
const GOODS = [
  { sku: "MUG", name: "Mug", prices: { "retail GBP": 1500, "wholesale GBP": [[1, 800], [12, 700]] }, case: 6 },
  { sku: "CUP", name: "Cup", prices: { "retail GBP": 900 } },
  { sku: "VASE", name: "Vase", prices: { "retail GBP": 2600 }, available_until: NOW },
];
const shop = {
  price_lists: ["retail GBP", "wholesale GBP"],
  delivery: {
    "retail GB GBP": { by: "subtotal", bands: [[0, 395]], free_from: 4000 },
    "wholesale GB GBP": { by: "subtotal", bands: [[0, 1500]], free_from: null },
  },
  taxes: { "retail GB": included, "wholesale GB": { ...included, included: false, rates: [200_000] } },
  bySku: new Map(GOODS.map((good) => [good.sku, good])),
  sums(basket, at) { return price(basket, this, at); },
};
const basket = (lines, more) => (
  { channel: "retail", currency: "GBP", lines, coupons: [], country: "GB", state: "", ...more });
const seen = (amount) => ({ "retail GBP": amount });

test("where states are taxed apart the customer chooses one before paying", async () => {
  const taxed = { ...included, included: false, rates: [72_500] };
  const states = {
    ...shop,
    delivery: { "retail * GBP": { by: "subtotal", bands: [[0, 0]], free_from: null } },
    taxes: { "retail US-CA": taxed },
  };
  const of = (state) => sumsOf(states, basket([{ sku: "MUG", quantity: 2 }], { country: "US", state }), NOW);
  for (const state of ["", "XX"]) assert.equal((await of(state)).problem, STATE_MISSING);
  const sums = await of("CA");
  assert.deepEqual([sums.problem, sums.tax], [null, 218]);
});

test("more than one order may come to is said before anything is paid", async () => {
  const of = (quantity) => sumsOf(shop, basket([{ sku: "MUG", quantity: 960_000 }, { sku: "CUP", quantity }]), NOW);
  assert.equal((await of(9_511_111)).problem, null);
  assert.match((await of(9_511_112)).problem, /more than one order may/);
});

test("until a country is chosen the basket is for the first that this currency is taken in", () => {
  const dear = { by: "subtotal", bands: [[0, 695]], free_from: null };
  const shop = new Catalogue({
    goods: [], countries: ["GB", "US", "FR"], delivery: { "retail GB GBP": dear, "retail * USD": dear, "retail US USD": dear },
  });
  const first = (currency) => shop.firstCountry("retail", currency)[0];
  assert.deepEqual([first("GBP"), first("USD"), first("JPY")], ["GB", "GB", "GB"]);
  delete shop.delivery["retail * USD"];
  assert.deepEqual([first("GBP"), first("USD")], ["GB", "US"]);
});

test("a link to a good finds it, whatever its sku has in it", () => {
  for (const sku of ["MUG-SAGE", "TEA & CO", "SIZE 10+", "50%#1", "ナベ"]) {
    assert.equal(new URL(productPage(sku), "https://shop.example").searchParams.get("sku"), sku);
  }
});

test("a price that has changed since it was chosen has the one before", async () => {
  const lines = [
    { sku: "MUG", quantity: 2, name: "Mug", seen: seen(1400) },
    { sku: "MUG", quantity: 1, name: "Mug", seen: seen(1500) },
    { sku: "MUG", quantity: 1 },
  ];
  const sums = await sumsOf(shop, basket(lines), NOW);
  assert.deepEqual(sums.lines.map(({ unit_price, before }) => [unit_price, before]), [
    [1500, 1400], [1500, null], [1500, null],
  ]);
  assert.deepEqual([sums.subtotal, sums.shipping, sums.total], [6000, 0, 6000]);
});

test("a quantity that has another break is no changed price", async () => {
  const prices = { "wholesale GBP": [[1, 800], [12, 700]] };
  const lines = [{ sku: "MUG", quantity: 12, seen: prices }];
  const sums = await sumsOf(shop, basket(lines, { channel: "wholesale" }), NOW);
  assert.deepEqual([sums.lines[0].unit_price, sums.lines[0].before, sums.tax], [700, null, 1680]);
});

test("what is gone is named, costs nothing and is not ordered", async () => {
  const lines = [
    { sku: "MUG", quantity: 2, seen: seen(1500) }, { sku: "BOWL", quantity: 9, name: "Bowl", seen: seen(900) },
    { sku: "VASE", quantity: 1, name: "Vase", seen: seen(2600) },
  ];
  const sums = await sumsOf(shop, basket(lines), NOW);
  assert.deepEqual(sums.lines.map(({ name, problem }) => [name, Boolean(problem)]), [
    ["Mug", false], ["Bowl", true], ["Vase", true],
  ]);
  assert.deepEqual(sums.ordered, [{ sku: "MUG", quantity: 2, unit_price: 1500 }]);
  assert.deepEqual([sums.total, sums.problem], [3395, null]);
  const none = await sumsOf(shop, basket(lines.slice(1)), NOW);
  assert.ok(none.problem);
});

test("a broken case, a country without delivery and another currency can't be ordered", async () => {
  const lines = [{ sku: "MUG", quantity: 7, name: "Mug" }];
  const problem = async (more) => (await sumsOf(shop, basket(lines, more), NOW)).problem;
  assert.equal(await problem({ channel: "wholesale" }), "Mug is sold by the case: order 12.");
  assert.ok(await problem({ country: "US" }));
  assert.ok(await problem({ currency: "USD" }));
  assert.equal(await problem({}), null);
});

test("with a coupon it is the store's word, without what it does not sell", async () => {
  const asked = [];
  const ask = async (content) => {
    asked.push(content);
    const gone = content.lines.findIndex(({ sku }) => sku === "CUP");
    return {
      lines: content.lines.map((line) => ({ ...line, unit_price: line.sku === "CUP" ? null : 1450 })),
      discounts: [{ coupon: "SPRING", amount: 290 }], shipping: 395, tax: 0, total: 3005,
      violations: [
        ...(gone < 0 ? [] : [{ rule: "article_unknown", pointer: `/lines/${gone}/sku` }]),
        { rule: "coupon_expired", pointer: "/coupons/0" },
      ],
    };
  };
  // The catalogue still has the cup, and the bowl is not asked about.
  const lines = [
    { sku: "BOWL", quantity: 1, name: "Bowl" }, { sku: "CUP", quantity: 1 }, { sku: "MUG", quantity: 2, seen: seen(1500) },
  ];
  const sums = await sumsOf(shop, basket(lines, { coupons: ["OLD", "SPRING"] }), NOW, ask);
  assert.deepEqual(asked.map((content) => content.lines.length), [2, 1]);
  assert.deepEqual(asked[1], {
    channel: "retail", currency: "GBP", lines: [{ sku: "MUG", quantity: 2 }], coupons: ["OLD", "SPRING"],
    country: "GB", state: "",
  });
  assert.deepEqual([...sums.refused], [["OLD", "coupon_expired"]]);
  assert.deepEqual([sums.total, sums.lines[2].before, sums.problem], [3005, 1500, null]);
});

test("what can't be asked is no sum", async () => {
  const ask = async () => { throw new Error("no connection"); };
  await assert.rejects(sumsOf(shop, basket([{ sku: "MUG", quantity: 1 }], { coupons: ["X"] }), NOW, ask));
});

test("each rule about coupons has a sentence of its own", () => {
  const page = readFileSync(new URL("../../docs/refusals.md", import.meta.url), "utf8");
  const rules = [...page.matchAll(/`(coupon_\w+)`/g)].map(([, rule]) => rule);
  assert.ok(rules.includes("coupon_reason_withheld"));
  const unknown = couponProblem("coupon_of_tomorrow");
  assert.deepEqual(rules.filter((rule) => couponProblem(rule) === unknown), []);
});

/** Which catalogue a page shows when: that of the book which the service charges by. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const MINUTE = 60_000;
const NOW = Date.parse("2026-11-23T10:00:00Z");
const content = (price) => ({
  goods: [{ sku: "MUG", prices: { "retail GBP": price } }], price_lists: ["retail GBP"], countries: ["GB"],
});

/** What the store hands out by address; a missing one is 404, `null` is no connection. */
let store;
let asked;
let page;
let pages = 0;

beforeEach(async () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: NOW });
  store = {
    "/prices.json": { books: [{ begins: NOW - MINUTE, catalogue: "/old" }] },
    "/old": content(1400),
    "/new": content(1500),
  };
  asked = [];
  globalThis.fetch = async (address) => {
    asked.push(address);
    if (store === null) throw new TypeError("no connection");
    return address in store ? Response.json(store[address]) : new Response("", { status: 404 });
  };
  page = await import(`../../web/storefront/catalogue.js?page=${pages += 1}`);
});

const mug = async () => (await page.catalogue()).goods[0].prices["retail GBP"];
const later = (ms) => mock.timers.setTime(Date.now() + ms);

test("a price changes on an open page when its book begins", async () => {
  store["/prices.json"].books.push({ begins: NOW + 30_000, catalogue: "/new" });
  assert.equal(await mug(), 1400);
  later(29_999);
  assert.equal(await mug(), 1400);
  later(1);
  assert.equal(await mug(), 1500);
  assert.deepEqual(asked, ["/prices.json", "/old", "/new"]);
});

test("a book that is published while a page is open is known before it begins", async () => {
  assert.equal(await mug(), 1400);
  later(1_000);
  store["/prices.json"].books.push({ begins: Date.now() + 2 * MINUTE, catalogue: "/new" });
  for (let at = 0; at < 12; at += 1) {
    assert.equal(await mug(), 1400);
    later(10_000);
  }
  assert.equal(await mug(), 1500);
});

test("a rollback brings the old prices back, and another address with them", async () => {
  store["/prices.json"].books = [{ begins: NOW - MINUTE, catalogue: "/new" }];
  assert.equal(await mug(), 1500);
  store["/prices.json"].books = [{ begins: NOW, catalogue: "/old" }];
  later(MINUTE + 1);
  assert.equal(await mug(), 1400);
  assert.equal((await page.catalogue()).address, "/old");
});

test("without a connection a page keeps the prices that it has", async () => {
  assert.equal(await mug(), 1400);
  store = null;
  later(5 * MINUTE);
  assert.equal(await mug(), 1400);
  assert.equal(await mug(), 1400);
  assert.equal(asked.length, 3);
});

test("a page that never had prices says so, and has them as soon as it can", async () => {
  const full = store;
  for (const broken of [null, {}, { "/prices.json": full["/prices.json"] }, { ...full, "/old": {} }]) {
    store = broken;
    await assert.rejects(page.catalogue());
  }
  store = full;
  assert.equal(await mug(), 1400);
});

test("a clock that is ahead shows the book that the store hands out", async () => {
  store["/prices.json"].books.push({ begins: NOW, catalogue: "/planned" });
  assert.equal(await mug(), 1400);
});

test("a clock that is behind shows the book that is in force", async () => {
  mock.timers.setTime(NOW - 60 * MINUTE);
  assert.equal(await mug(), 1400);
});

test("a book that says nothing for the pages, as it may, still has all that they need", async () => {
  store["/old"] = {
    ...content(1400), price_lists: ["retail EUR", "wholesale EUR", "retail GBP"],
  };
  const shop = await page.catalogue();
  assert.deepEqual(shop.categories, {});
  assert.equal(shop.goods[0].name, "MUG");
  assert.deepEqual(shop.currencies("retail"), ["EUR", "GBP"]);
  assert.deepEqual(shop.currencies("telephone"), []);
});

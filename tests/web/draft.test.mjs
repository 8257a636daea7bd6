/** What was typed at the checkout, in which browser and for how long; and a browser that stores nothing. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Storage } from "./storage.mjs";

const HOUR = 60 * 60_000;
const VALUES = { name: "Ada", city: "Leeds" };
globalThis.localStorage = new Storage();
globalThis.sessionStorage = new Storage();
const { dropDraft, dropOldDraft, keepAddress, keepDraft, readDraft } = await import("../../web/storefront/draft.js");
const { local, tab } = await import("../../web/storefront/storage.js");
const { learnTime, serviceNow } = await import("../../web/storefront/clock.js");

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: Date.parse("2026-11-23T10:00:00Z") });
  dropDraft();
});

test("what was typed is there in a second tab and after a day's work, for the customer who typed it", () => {
  keepDraft("ada", VALUES);
  mock.timers.setTime(Date.now() + 23 * HOUR);
  assert.deepEqual(readDraft("ada"), VALUES);
  assert.deepEqual(readDraft("eve"), {});
  assert.deepEqual(readDraft("ada"), {}, "another customer's is dropped");
});

for (const hours of [25, -25]) {
  test(`nothing that was typed stays for longer than a day: ${hours} hours`, () => {
    keepDraft("ada", VALUES);
    mock.timers.setTime(Date.now() + hours * HOUR);
    dropOldDraft(undefined);
    assert.equal(local.getItem("checkout"), null);
  });
}

test("signed out, it stays for who typed it: a sign-in may have run out", () => {
  keepDraft("ada", VALUES);
  dropOldDraft(undefined);
  assert.deepEqual(readDraft("ada"), VALUES);
});

test("an order's address goes back to the fields that it was typed into", () => {
  keepAddress("ada", { name: "Ada", lines: ["1 High Street", "Flat 2", "Back"], city: "Leeds", country: "GB" });
  assert.deepEqual(readDraft("ada"), {
    name: "Ada", street: "1 High Street", street2: "Flat 2, Back", city: "Leeds", country: "GB",
  });
});

test("what is no draft is none", () => {
  for (const text of ["", "null", "{", "[]", "{\"customer\":\"ada\"}"]) {
    local.setItem("checkout", text);
    assert.deepEqual(readDraft("ada"), {}, text);
  }
});

test("a storage that is blocked is replaced for this page, and that is said", () => {
  let said = 0;
  globalThis.dispatchEvent = ({ type }) => { said += type === "unstored"; };
  for (const [kept, real] of [[local, localStorage], [tab, sessionStorage]]) {
    kept.setItem("key", "before");
    real.blocked = true;
    assert.equal(kept.getItem("key"), null);
    assert.equal(kept.setItem("key", "now"), false);
    assert.equal(kept.getItem("key"), "now");
    kept.removeItem("key");
    assert.equal(kept.getItem("key"), null);
    real.blocked = false;
    assert.equal(kept.setItem("key", "later"), true);
    assert.equal(kept.getItem("key"), "later");
  }
  assert.equal(said, 2);
  delete globalThis.dispatchEvent;
});

test("a clock that is a day wrong is known on the next page too, until it is put right", async () => {
  for (const hours of [25, -25]) {
    learnTime(Date.now() - hours * HOUR);
    assert.equal(serviceNow(), Date.now() - hours * HOUR);
    const next = await import(`../../web/storefront/clock.js?page=${hours}`);
    assert.equal(next.serviceNow(), Date.now() - hours * HOUR);
    learnTime(Number.NaN);
    assert.equal(serviceNow(), Date.now() - hours * HOUR);
    learnTime(Date.now() - 1_000);
    assert.equal(serviceNow(), Date.now());
  }
});

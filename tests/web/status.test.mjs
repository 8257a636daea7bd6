/** How an order's state and its refusals are said. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fieldName, reasonName, statusName } from "../../web/storefront/status.js";

const PAGE = readFileSync(new URL("../../docs/refusals.md", import.meta.url), "utf8");
const RULES = [...PAGE.matchAll(/^\| `(\w+)` \| \d/gm)].map(([, rule]) => rule);

test("no rule of the service's own is shown to a customer by its name", () => {
  assert.ok(RULES.length > 50);
  for (const rule of RULES) assert.notEqual(reasonName(rule), rule.replaceAll("_", " "), rule);
});

test("a reason that only a store's downstream knows is shown as it named it", () => {
  assert.equal(reasonName("too_heavy_for_carrier"), "too heavy for carrier");
});

test("of a text that can't be stored the field is named as on the form", () => {
  assert.match(reasonName("text_invalid", "/address/name"), /^the recipient's name has a character/);
  assert.deepEqual(
    ["/address/lines/0", "/address/postal_code", "/purchase_order", "/lines/0/sku", ""].map(fieldName),
    ["Street and number", "Postal code", "Purchase order number", "Text", "Text"],
  );
});

test("what nobody has confirmed has no state of an order", () => {
  assert.equal(statusName("unknown"), "Not known yet");
});

/** The code of docs/pricing.md signs as the service does: a store copies it into its pricing engine.
 * Run by `node --test`, and by pytest through test_modules.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const docs = new URL("../../docs/", import.meta.url);
const vectors = JSON.parse(readFileSync(new URL("contracts/vectors/price_signature.json", docs)));
const [, code] = readFileSync(new URL("pricing.md", docs), "utf8").match(/```js\n(.+?)```/s);
const { priceSignature } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

for (const { name, customer, order, price_signature: expected } of vectors.vectors) {
  test(name, async () => {
    const key = Buffer.from(vectors.key_hex, "hex");
    const made = await priceSignature(key, vectors.key_id, order, customer, vectors.valid_until);
    assert.equal(made, expected);
  });
}

test("there are vectors", () => assert.ok(vectors.vectors.length >= 5));

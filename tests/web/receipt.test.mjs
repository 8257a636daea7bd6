/** The code of docs/client.md signs as the service expects: a store copies it into its payment
 * gateway's server. Run by `node --test`, and by pytest through test_modules.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const docs = new URL("../../docs/", import.meta.url);
const { vectors, key_hex, key_id } = JSON.parse(readFileSync(new URL("contracts/vectors/receipt.json", docs)));
const [, code] = readFileSync(new URL("client.md", docs), "utf8").match(/```js\n(.+?)```/s);
const { receipt } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

for (const { name, customer, order_id, payment, receipt: expected } of vectors) {
  test(name, async () => {
    assert.equal(await receipt(Buffer.from(key_hex, "hex"), key_id, customer, order_id, payment), expected);
  });
}

test("there are vectors", () => assert.ok(vectors.length >= 5));

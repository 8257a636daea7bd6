/** The rule for what people write, against the vectors that the order service is tested with too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CHARACTERS_MAX, normalised, textProblem } from "../../web/storefront/text.js";

const vectors = JSON.parse(readFileSync(new URL("../../docs/contracts/vectors/text.json", import.meta.url)));

for (const { written, stored, because } of vectors.accepted) {
  test(`stored in its normal form: ${because}`, () => {
    assert.equal(normalised(written), stored);
    assert.equal(textProblem("Name", written), null);
  });
}

for (const { written, because } of vectors.refused) {
  test(`refused: ${because}`, () => {
    assert.ok(normalised(written) === "" || textProblem("Name", written));
  });
}

test("the limit is that of the vectors, and said", () => {
  assert.equal(CHARACTERS_MAX, vectors.characters_max);
  assert.equal(textProblem("Name", "x".repeat(201)), "Name: up to 200 characters, no line breaks.");
});

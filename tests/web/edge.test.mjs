/** CloudFront's function and the time: what is not public yet is not handed out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const SOURCE = readFileSync(new URL("../../web/edge/pages.js", import.meta.url), "utf8");
const BEGINS = 1_795_428_000_000;
const ADDRESS = `/catalogues/${BEGINS}-0123456789abcdef.json`;

for (const [before, served] of [[120_001, "/not-found.html"], [120_000, ADDRESS], [-1, ADDRESS]]) {
  test(`a catalogue ${before} ms before its book begins is ${served}`, () => {
    const handler = runInNewContext(`${SOURCE}; handler`, { Date: { now: () => BEGINS - before } });
    const event = { context: { eventType: "viewer-request" }, request: { uri: ADDRESS } };
    assert.equal(handler(event).uri, served);
  });
}

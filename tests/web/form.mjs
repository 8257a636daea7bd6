/** What the checkout makes of what is typed: a list of JSON in, a list of JSON out. */
import { readFileSync } from "node:fs";
import { addressOf, problemsOf } from "../../web/storefront/address.js";
import { normalised, textProblem } from "../../web/storefront/text.js";

const FORMATS = JSON.parse(readFileSync(new URL("../../web/storefront/address-formats.json", import.meta.url)));

function made({ text, code, values }) {
  if (text !== undefined) return { normalised: normalised(text), problem: textProblem("Text", text) };
  return {
    problems: problemsOf(values, FORMATS[code], code).filter(({ question }) => !question),
    address: addressOf(values, FORMATS[code], { code, name: code }),
  };
}

console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(made)));

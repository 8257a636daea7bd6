/** What an address needs, country by country. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { addressOf, envelope, problemsOf, rowsOf } from "../../web/storefront/address.js";

const FILE = new URL("../../web/storefront/address-formats.json", import.meta.url);
const { about, ...FORMATS } = JSON.parse(readFileSync(FILE));
const ADA = { name: "Ada Fletcher", street: "1 High Street", city: "Leeds", postal_code: "LS1 4AP" };

const fields = (code) => rowsOf(FORMATS[code]).flat();
const field = (code, id) => fields(code).find((one) => one.id === id);
const problems = (code, values) => problemsOf(values, FORMATS[code], code)
  .map(({ id, question }) => (question ? `${id}?` : id));
const said = (code, values) => problemsOf(values, FORMATS[code], code).map(({ text }) => text);

test("every country of the world has a format", () => {
  // ISO 3166-1 has 249 codes.
  const known = Object.keys(FORMATS).filter((code) => !["AC", "TA", "XK"].includes(code));
  assert.equal(known.length, 249);
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
  for (const code of known) assert.ok(names.of(code), code);
});

test("labels and order are the country's", () => {
  assert.deepEqual(fields("GB").map(({ label }) => label), [
    "Recipient's name", "Street and number", "Flat, floor, company", "Town or city", "Postal code", "Phone", "E-mail",
  ]);
  assert.deepEqual(rowsOf(FORMATS.US)[3].map(({ label }) => label), ["City", "State", "ZIP code"]);
  assert.deepEqual(fields("JP").map(({ id }) => id), [
    "postal_code", "state", "city", "street", "street2", "name", "phone", "email",
  ]);
  assert.equal(field("JP", "state").label, "Prefecture");
  assert.equal(field("IE", "postal_code").label, "Eircode");
  assert.equal(field("AU", "city").label, "Suburb");
});

test("Hong Kong has no postal code, the United States have states, an Eircode is optional", () => {
  assert.equal(field("HK", "postal_code"), undefined);
  assert.ok(field("US", "state").required);
  assert.equal(field("US", "state").options.find(([key]) => key === "CA")[1], "California");
  assert.deepEqual(field("JP", "state").options[0], ["北海道", "Hokkaido (北海道)"]);
  assert.deepEqual(problems("IE", { ...ADA, city: "Dublin", postal_code: "" }), []);
  assert.deepEqual(problems("GB", { ...ADA, postal_code: "" }), ["postal_code"]);
});

test("what is missing is asked for by its name, and blanks are missing", () => {
  assert.deepEqual(said("US", { name: "   ", street: "\u3000", city: "\u200b", state: "" }), [
    "Enter the recipient's name.", "Enter the street and number.", "Enter the city.", "Choose the state.",
    "Enter the ZIP code.",
  ]);
});

test("a text that can't be stored is said at its field, also at one that may be left empty", () => {
  assert.deepEqual(said("GB", { ...ADA, name: "x".repeat(201), street2: "a\tb" }), [
    "Recipient's name: up to 200 characters, no line breaks.",
    "Flat, floor, company: on one line, please, without tabs or control characters.",
  ]);
});

test("an unusual format is a question and no fault", () => {
  assert.deepEqual(problems("GB", { ...ADA, postal_code: "12345" }), ["postal_code?"]);
  assert.deepEqual(problems("US", { ...ADA, state: "CA", postal_code: "abc" }), ["postal_code?"]);
  assert.deepEqual(problems("DE", { ...ADA, postal_code: "ABCDE" }), ["postal_code?"]);
  assert.deepEqual(problems("GB", { ...ADA, postal_code: "ls1 4ap" }), []);
  const tokyo = { ...ADA, state: "東京都", city: "千代田区", postal_code: "１０１－００４１" };
  assert.deepEqual(problems("JP", tokyo), []);
  assert.equal(addressOf(tokyo, FORMATS.JP, { code: "JP", name: "Japan" }).postal_code, "101-0041");
  assert.match(said("DE", { ...ADA, postal_code: "1" })[0], /^Postal code: expected one like 26133 \(DE\)\. /);
});

test("a postal code fits however its parts are separated", () => {
  const asked = (code, postal_code) => problems(code, { ...ADA, state: "CA", postal_code }).includes("postal_code?");
  for (const [code, ...written] of [
    ["GB", "SW1A1AA", "SW1A  1AA", "sw1a-1aa", "ＬＳ１　４ＡＰ", "LS1 4AP\u200b", "BFPO 123", "BF1 3AA", "BT1 5GS", "GY10 1SF", "JE2 3AB", "IM1 1AA"],
    ["IE", "D02 X285", "D02X285", "d6w-xy00"], ["NL", "1234AB", "1234 AB", "NL-1234 AB"], ["DE", "01067", "D-10115"],
    ["US", "94105", "94105-1234", "941051234", "94105–1234"], ["JP", "〒154-0023", "1540023", "１５４ー００２３"], ["PL", "00950"], ["FR", "75 001"],
  ]) for (const one of written) assert.equal(asked(code, one), false, `${code} ${one}`);
  for (const [code, one] of [["NL", "1234 SA"], ["IE", "Dublin 2"], ["DE", "1067"], ["US", "9410"], ["GB", "LS1"], ["JP", "154"]]) {
    assert.equal(asked(code, one), true, `${code} ${one}`);
  }
  assert.equal(addressOf({ ...ADA, postal_code: "１５４ー００２３" }, FORMATS.JP, { code: "JP", name: "Japan" }).postal_code, "154-0023");
});

test("phone and e-mail are optional, and looked at if they are there", () => {
  const phone = (code, number) => problems(code, { ...ADA, state: "NY", postal_code: "10001", phone: number })
    .includes("phone?");
  for (const number of ["0113 496 0000", "+44 113 496 0000", "0044 (0)113 496 0000", "+1 (201) 555-0123"]) {
    assert.equal(phone("GB", number), false, number);
  }
  for (const number of ["12345", "call me", "+44 113", "0113 496 0000 000", "+"]) {
    assert.equal(phone("GB", number), true, number);
  }
  assert.equal(phone("US", "1-201-555-0123"), false);
  assert.deepEqual(problems("GB", { ...ADA, email: "ada@example" }), ["email?"]);
  assert.deepEqual(problems("GB", { ...ADA, email: "ada@例え.jp" }), []);
});

test("each country's own examples fit it", () => {
  for (const [code, { postal, phone }] of Object.entries(FORMATS)) {
    const values = { name: "A", street: "B", city: "C", state: "D", postal_code: postal?.[1] ?? "", phone: phone?.[4] ?? "" };
    assert.deepEqual(problems(code, values), [], code);
  }
});

test("an address has what its country has, in its normal form", () => {
  const everything = {
    name: " Ada\u00a0Fletcher ", street: "1 Nathan Road", street2: "", district: "D", city: "Tsim Sha Tsui",
    state: "Kowloon", postal_code: "999077", phone: "5123 4567", email: " ",
  };
  assert.deepEqual(addressOf(everything, FORMATS.HK, { code: "HK", name: "Hong Kong" }), {
    name: "Ada Fletcher", lines: ["1 Nathan Road"], city: "Tsim Sha Tsui", country: "HK", postal_code: "",
    state: "Kowloon", phone: "5123 4567",
  });
  const { city, state, lines } = addressOf(everything, FORMATS.SG, { code: "SG", name: "Singapore" });
  assert.deepEqual({ city, state, lines }, { city: "Singapore", state: undefined, lines: ["1 Nathan Road"] });
  assert.deepEqual(addressOf(everything, FORMATS.BR, { code: "BR", name: "Brazil" }).lines, ["1 Nathan Road", "D"]);
});

test("a country without a format is asked for what most countries have", () => {
  assert.deepEqual(rowsOf(undefined).flat().map(({ id }) => id), [
    "name", "street", "street2", "city", "postal_code", "phone", "email",
  ]);
  assert.deepEqual(problemsOf({ ...ADA, postal_code: "" }, undefined, "Nowhere"), []);
});

test("an address is written as its country writes it, and nothing of it is left out", () => {
  const home = { name: "Ada", lines: ["1 High Street", "Flat 2"], city: "Leeds", postal_code: "LS1 4AP" };
  const written = (code, country, changes = {}) => envelope({ ...home, ...changes }, FORMATS[code], country);
  const street = ["1 High Street", "Flat 2"];
  assert.deepEqual(written("GB", "United Kingdom"), ["Ada", ...street, "Leeds", "LS1 4AP", "United Kingdom"]);
  assert.deepEqual(written("DE", "Germany"), ["Ada", ...street, "LS1 4AP Leeds", "Germany"]);
  assert.deepEqual(written("US", "United States", { state: "NY" }),
    ["Ada", ...street, "Leeds NY LS1 4AP", "United States"]);
  assert.deepEqual(written("JP", "Japan", { state: "東京都" }),
    ["LS1 4AP", "東京都 Leeds", ...street, "Ada", "Japan"]);
  assert.deepEqual(written("SG", "Singapore", { city: "Singapore" }), ["Ada", ...street, "LS1 4AP", "Singapore"]);
  assert.deepEqual(written("SG", "Singapore", { state: "North" }),
    ["Ada", ...street, "LS1 4AP", "Leeds", "North", "Singapore"], "what Singapore's addresses don't have");
  assert.deepEqual(written("XX", "Nowhere", { state: "NY", postal_code: "" }),
    ["Ada", ...street, "Leeds", "NY", "Nowhere"], "a country that nobody has told us of");
});

/**
 * What an address needs in each country, and what is wrong with one. Nothing of the page is in here.
 *
 * The formats are address-formats.json, made of libraries' data (see address_formats.py, which says
 * what each part means). They may lag behind the world: a new postal code must not stop a customer.
 * So a missing field and a text that can't be stored are faults, and an unusual format is a question.
 */
import { halfWidth, normalised, textProblem } from "./text.js";

const NAME = { id: "name", label: "Recipient's name", autocomplete: "name", required: true };
const STREET = { id: "street", label: "Street and number", autocomplete: "address-line1", required: true };
const MORE = { id: "street2", label: "Flat, floor, company", autocomplete: "address-line2" };
const DISTRICT = { id: "district", label: "Suburb", autocomplete: "address-level3" };
const CITY = { id: "city", label: "City", autocomplete: "address-level2", required: true };
const STATE = { id: "state", label: "Province", autocomplete: "address-level1" };
const POSTAL_CODE = { id: "postal_code", label: "Postal code", autocomplete: "postal-code" };
const PHONE = { id: "phone", label: "Phone", type: "tel", autocomplete: "tel", hint: "Only for the carrier, if there is a question on the day." };
const EMAIL = { id: "email", label: "E-mail", type: "email", autocomplete: "email", hint: "Only for the carrier's messages about this delivery." };

const FIELDS = { N: [[NAME]], A: [[STREET], [MORE]], D: [[DISTRICT]], C: [[CITY]], S: [[STATE]], Z: [[POSTAL_CODE]] };
/** For a country that nobody has told us of. */
const USUAL = { rows: "N/A/CZ" };

/**
 * @typedef {object} Field
 * @property {string} id
 * @property {string} label
 * @property {string} autocomplete
 * @property {boolean} [required]
 * @property {string} [type] of the input, if it is not "text"
 * @property {string} [hint]
 * @property {[value: string, label: string][]} [options] if it is a list
 */
/** @returns {Field[][]} the rows of a country's form, under the country itself */
export function rowsOf(format = USUAL) {
  const rows = format.rows.split("/").flatMap((row) => (
    row.length > 1 ? [[...row].flatMap((letter) => FIELDS[letter].flat())] : FIELDS[row]
  ));
  return [...rows, [PHONE, EMAIL]].map((row) => row.map((field) => inCountry(field, format)));
}

function inCountry(field, format) {
  const letter = { district: "D", city: "C", state: "S", postal_code: "Z" }[field.id];
  const known = { ...field, label: format.labels?.[letter] ?? field.label };
  if (format.needed?.includes(letter)) known.required = true;
  if (field.id === "state" && format.states) known.options = format.states.map(option);
  return known;
}

/** A state as it stands in an address, and what a list calls it. */
function option(state) {
  const [value, name] = Array.isArray(state) ? state : [state, state];
  return [value, /\p{Script=Latin}/u.test(value) ? name : `${name} (${value})`];
}

/**
 * What is wrong with the fields of a country's form, in their order.
 *
 * @param {Record<string, string>} values as they were typed, by the fields' ids
 * @param {string} country its name
 * @returns {{id: string, text: string, question: boolean}[]} a question can be answered with yes
 */
export function problemsOf(values, format, country) {
  return rowsOf(format).flat().flatMap((field) => {
    const value = values[field.id] ?? "";
    const fault = fieldProblem(field, value);
    if (fault) return [{ id: field.id, text: fault, question: false }];
    const doubt = normalised(value) && doubtOf(field, normalised(value), format ?? USUAL, country);
    return doubt ? [{ id: field.id, text: `${doubt} If yours is right, press the button again.`, question: true }] : [];
  });
}

/** Of a field on its own: required and empty, or a text that can't be stored; null for none. */
export function fieldProblem({ label, required, options }, value) {
  if (normalised(value)) return textProblem(label, value);
  if (!required) return null;
  return `${options ? "Choose" : "Enter"} the ${lowered(label)}.`;
}

/** "Postal code" within a sentence is "postal code", and "ZIP code" is "ZIP code". */
const lowered = (label) => (/^.[A-Z]/.test(label) ? label : label[0].toLowerCase() + label.slice(1));

/** As carriers' systems want it: of １０１ー００４１ they want 101-0041. */
const postalCode = (text) => halfWidth(text).replace(/(\d)[\p{Pd}−ー](?=\d)/gu, "$1-");

/** However its parts are separated, and with or without the country's letters before it: D-10115. */
function postalCodeFits(text, pattern) {
  const parts = text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const own = /^\p{L}+$/u.test(parts[0]) ? parts.slice(1) : parts;
  const digits = own.join("").replace(/.*\D.*/, "");
  const hyphened = [...digits].map((_, at) => `${digits.slice(0, at)}-${digits.slice(at)}`);
  const written = [parts, own].flatMap((some) => [some.join(" "), some.join("-")]);
  return [text, digits, ...hyphened, ...written].some((code) => new RegExp(`^(?:${pattern})$`, "i").test(code));
}

function doubtOf({ id, label }, value, format, country) {
  if (id === "postal_code" && format.postal) {
    const [pattern, example] = format.postal;
    return postalCodeFits(postalCode(value), pattern) ? null : `${label}: expected one like ${example} (${country}).`;
  }
  if (id === "phone" && !phoneFits(value, format.phone)) {
    return `${label}: expected one like ${format.phone?.[4] ?? "+44 20 7946 0000"} (${country}).`;
  }
  if (id === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value)) {
    return `${label}: expected one like name@example.com.`;
  }
  return null;
}

/** Whether a number has as many digits as one of that country has, or any country's with a plus. */
function phoneFits(value, [code, trunk, fewest, most] = [0, "", 7, 15]) {
  const digits = halfWidth(value).replace(/\(0\)|[\s().\-/]/g, "").replace(/^00/, "+");
  if (!/^\+?\d+$/.test(digits)) return false;
  const fits = (number) => number.length >= fewest && number.length <= most;
  const within = (number) => fits(number) || (number.startsWith(trunk) && fits(number.slice(trunk.length)));
  if (!digits.startsWith("+")) return within(digits);
  if (code && digits.startsWith(`+${code}`)) return within(digits.slice(`+${code}`.length));
  return digits.length > 7 && digits.length <= 16;
}

/** An order's address. A city state's city is the country. */
export function addressOf(values, format, { code, name }) {
  const has = new Set(rowsOf(format).flat().map(({ id }) => id));
  const given = (id) => (has.has(id) ? normalised(values[id] ?? "") : "");
  const optional = { state: given("state"), phone: halfWidth(given("phone")), email: given("email") };
  return {
    name: given("name"),
    lines: [given("street"), given("street2"), given("district")].filter(Boolean),
    city: given("city") || name,
    country: code,
    postal_code: postalCode(given("postal_code")),
    ...Object.fromEntries(Object.entries(optional).filter(([, text]) => text)),
  };
}

/**
 * An order's address as it is written on an envelope in its country.
 *
 * @param {object} address of an order
 * @param {string} country its name
 * @returns {string[]} lines, none empty; what the country's addresses don't have stands before the country
 */
export function envelope({ name, lines, city, state, postal_code }, format = USUAL, country) {
  // A district is one of the lines, and a city state's city is the country.
  const parts = { N: [name], A: lines, C: city === country ? [] : [city], S: [state], Z: [postal_code] };
  const letters = new Set(format.rows.replace(/D/g, ""));
  const rows = [...format.rows.split("/"), ...Object.keys(parts).filter((letter) => !letters.has(letter))];
  const told = rows.flatMap((row) => {
    const words = [...row].flatMap((letter) => parts[letter] ?? []).filter(Boolean);
    return row === "A" ? words : [words.join(" ")];
  });
  return [...told, country].filter(Boolean);
}

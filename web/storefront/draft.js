/**
 * What was typed at the checkout: a reload, the way back, another currency, a refused order and a
 * second tab keep it. It is in this browser, for the customer who typed it, until they order or sign
 * out, and for a day at most. With the order it goes to the outbox.
 */
import { local } from "./storage.js";

export const DRAFT = "checkout";
const AGE_MAX_MS = 24 * 60 * 60_000;

/** @returns {Record<string, string>} by the fields' names */
export function readDraft(customer) {
  dropOldDraft(customer);
  return stored()?.values ?? {};
}

/** @param {Record<string, string>} values */
export function keepDraft(customer, values) {
  local.setItem(DRAFT, JSON.stringify({ customer, at: Date.now(), values }));
}

/** As if an order's address had been typed: the reverse of `addressOf` in address.js. */
export function keepAddress(customer, { lines: [street = "", ...more], ...address }) {
  keepDraft(customer, { ...address, street, street2: more.join(", ") });
}

export function dropDraft() {
  local.removeItem(DRAFT);
}

/** One of another customer's is dropped too; with none signed in it may be that of whoever was. */
export function dropOldDraft(customer) {
  const draft = stored();
  if (!draft) return;
  // Also one of the future: the clock was set back.
  const old = !(Math.abs(Date.now() - draft.at) < AGE_MAX_MS);
  if (old || (customer && draft.customer !== customer)) dropDraft();
}

function stored() {
  try {
    return JSON.parse(local.getItem(DRAFT));
  } catch {
    return null;
  }
}

/**
 * What was typed at the checkout, for as long as this tab is open: a reload, the way back, another
 * currency and a refused order keep it. With the order it goes to the outbox, and is dropped here.
 */
const KEY = "checkout";

/** @returns {Record<string, string>} by the fields' names */
export function readDraft() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** @param {Record<string, string>} values */
export function keepDraft(values) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // A browser that stores nothing: it is typed again.
  }
}

/** As if an order's address had been typed: the reverse of `addressOf` in address.js. */
export function keepAddress({ lines: [street = "", ...more], ...address }) {
  keepDraft({ ...address, street, street2: more.join(", ") });
}

export function dropDraft() {
  sessionStorage.removeItem(KEY);
}

/** Money: whole minor units of an ISO 4217 currency, shown as the reader's language writes them. */

const formats = new Map();

function format(currency) {
  if (!formats.has(currency)) {
    const made = new Intl.NumberFormat(undefined, { style: "currency", currency });
    // Not every currency has two decimals: the browser knows.
    formats.set(currency, { made, scale: 10 ** made.resolvedOptions().maximumFractionDigits });
  }
  return formats.get(currency);
}

/** @param {number} amount in minor units */
export function money(amount, currency) {
  const { made, scale } = format(currency);
  return made.format(amount / scale);
}

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {string | number} moment RFC 3339, or ms */
export function date(moment) {
  return when.format(new Date(moment));
}

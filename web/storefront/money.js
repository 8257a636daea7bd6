/** Money: whole minor units of an ISO 4217 currency, shown as the reader's language writes them. */

const formats = new Map();

// As ISO 4217 has them, by which prices are kept; all others have two. Browsers write some
// currencies as their shops do, without the smaller unit: of them no scale can be learnt.
const NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" ");
const THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND".split(" ");

function decimalsOf(currency) {
  if (NO_DECIMALS.includes(currency)) return 0;
  return THREE_DECIMALS.includes(currency) ? 3 : 2;
}

function format(currency) {
  if (!formats.has(currency)) {
    const digits = decimalsOf(currency);
    const made = new Intl.NumberFormat(undefined, {
      style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
    formats.set(currency, { made, scale: 10 ** digits });
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

/**
 * A wholesale buyer's sheet, pasted or uploaded: sku and quantity, line by line.
 *
 * Lines stay as and where they are, also when a sku comes twice: the buyer checks the delivery
 * against their own sheet.
 */

export const LINES_MAX = 2_000;
const QUANTITY_MAX = 1_000_000;
const HEADINGS = /^(sku|item|code|article|product)$/i;

/**
 * @param {string} text comma, semicolon or tab separated, with or without a heading
 * @param {Map<string, {case: number}>} bySku
 * @param {number} room how many more lines the order may have
 * @returns {{lines: {sku: string, quantity: number}[],
 *            errors: {line: number, text: string, problem: string}[]}}
 */
export function readSheet(text, bySku, room = LINES_MAX) {
  const lines = [];
  const errors = [];
  text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/).forEach((raw, index) => {
    if (!raw.trim()) return;
    const [sku, quantity] = cells(raw);
    if (index === 0 && HEADINGS.test(sku)) return;
    const problem = problemOf(sku, quantity, bySku);
    if (problem) errors.push({ line: index + 1, text: raw, problem });
    else lines.push({ sku: goodOf(sku, bySku).sku, quantity: Number(quantity) });
  });
  const over = lines.splice(room).length;
  if (over) {
    const problem = `an order has at most ${LINES_MAX} lines: ${over} were left out`;
    errors.push({ line: 0, text: "", problem });
  }
  return { lines, errors };
}

/** The first two cells, out of their quotes. */
function cells(raw) {
  const separator = raw.includes("\t") ? "\t" : raw.includes(";") ? ";" : ",";
  return raw.split(separator).slice(0, 2)
    .map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").trim());
}

/** By its sku as the book has it, or typed in another case. */
export const goodOf = (sku, bySku) => bySku.get(sku) ?? bySku.get(sku.toUpperCase()) ?? bySku.get(sku.toLowerCase());

function problemOf(sku, quantity, bySku) {
  const good = goodOf(sku, bySku);
  if (!good) return `there is no ${sku || "sku"} in the catalogue`;
  if (quantity === undefined || quantity === "") return "the quantity is missing";
  return quantityProblem(quantity, good);
}

/** Why this many can't be ordered; null if they can. */
export function quantityProblem(quantity, good) {
  const count = Number(quantity);
  if (!Number.isInteger(count) || count < 1 || count > QUANTITY_MAX) {
    return `"${quantity}" is not a whole number from 1 to ${QUANTITY_MAX.toLocaleString()}`;
  }
  if (count % good.case === 0) return null;
  const below = count - (count % good.case);
  const near = below ? `${below} or ${below + good.case}` : `${good.case}`;
  return `sold in cases of ${good.case}: order ${near}`;
}

/** What an order or a basket has and what it comes to, wherever one is shown. */
import { h } from "./dom.js";
import { money } from "./money.js";

/**
 * @param {{subtotal: number, discounts: object[], shipping: number, tax: number, total: number}} sums
 * @param {boolean} taxIncluded whether a tax is part of the prices
 */
export function bill({ subtotal, discounts, shipping, tax, total }, currency, taxIncluded) {
  const row = (name, amount, kind) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, amount));
  return h("dl", { class: "bill" },
    row("Goods", money(subtotal, currency)),
    discounts.map((discount) => row(`Coupon ${discount.coupon}`, money(-discount.amount, currency))),
    row("Delivery", shipping ? money(shipping, currency) : "Free"),
    tax > 0 && row("Tax", money(tax, currency)),
    row("Total", money(total, currency), "total"),
    taxIncluded && !tax && h("div", { class: "tax-note" }, h("dt", {}, "Prices include tax"), h("dd", {})));
}

/** "1 line", "2,000 lines". */
export const lineCount = (count) => (count === 1 ? "1 line" : `${count.toLocaleString()} lines`);

/**
 * A list of goods, all but the first ones folded away.
 *
 * @param {(line: object) => HTMLElement} row
 * @param {boolean} open whether they are not
 */
export function folded(lines, shown, row, open = false) {
  const list = (some) => h("ul", { class: "ordered" }, some.map(row));
  const rest = lines.slice(shown);
  return [list(lines.slice(0, shown)), rest.length > 0
    && h("details", { open }, h("summary", {}, `and ${rest.length.toLocaleString()} more`), list(rest))];
}

/** What a piece costs; struck through before it what it cost when it was chosen, if that was another. */
export const pieceCosts = ({ before, unit_price }, currency) => [
  before !== null && h("s", { "aria-label": `was ${money(before, currency)}` }, money(before, currency)),
  ` ${money(unit_price, currency)}`,
];

export const priceChanged = ({ before }) =>
  before !== null && h("p", { class: "changed" }, "The price has changed since you chose it.");

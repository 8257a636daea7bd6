/** The lines that add up to an order's total, wherever an order or a basket is shown. */
import { h } from "./dom.js";
import { money } from "./money.js";

/**
 * @param {{subtotal: number, discounts: object[], shipping: number, tax: number, total: number}} sums
 * @param {boolean} taxIncluded whether a tax is part of the prices
 */
export function bill({ subtotal, discounts, shipping, tax, total }, currency, taxIncluded) {
  const row = (name, amount, kind = null) =>
    h("div", { class: kind }, h("dt", {}, name), h("dd", {}, amount));
  return h("dl", { class: "bill" },
    row("Goods", money(subtotal, currency)),
    discounts.map((discount) => row(`Coupon ${discount.coupon}`, money(-discount.amount, currency))),
    row("Delivery", shipping ? money(shipping, currency) : "Free"),
    tax ? row("Tax", money(tax, currency)) : null,
    row("Total", money(total, currency), "total"),
    taxIncluded && !tax ? h("div", { class: "tax-note" }, h("dt", {}, "Prices include tax"), h("dd", {})) : null);
}

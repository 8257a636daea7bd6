/** From an order that came to nothing back to a basket. */

/**
 * With the prices of then, so that the checkout shows what has changed. What was put into the basket
 * meanwhile stays in it.
 *
 * @param {import("./basket.js").Basket} basket of the order's channel
 * @param {import("./outbox.js").Entry} entry
 * @param {import("./catalogue.js").Catalogue | null} shop
 */
export function putBack(basket, { order, violations }, shop) {
  const { channel, currency, lines, discounts = [], purchase_order } = order;
  basket.putBack({
    lines: lines.map(({ sku, quantity, unit_price }) => ({
      sku, quantity, name: shop?.bySku.get(sku)?.name ?? sku, seen: { [`${channel} ${currency}`]: unit_price },
    })),
    // One that another order has is asked for anew.
    purchase_order: violations.some(({ rule }) => rule === "purchase_order_used") ? "" : purchase_order,
    coupons: discounts.map(({ coupon }) => coupon),
    ask: violations.some(isAboutPrice),
  });
}

/** Whether the store says otherwise than the catalogue of this page. */
function isAboutPrice({ rule }) {
  return /^(price_changed|article|case|coupon|delivery)|_differs$/.test(rule);
}

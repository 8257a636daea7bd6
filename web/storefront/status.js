/** How an order's state is called and coloured, the same wherever it is shown. */
import { h } from "./dom.js";

const NAMES = {
  paying: "Waiting for payment",
  sending: "Sending",
  accepted: "Accepted",
  confirmed: "Confirmed",
  rejecting: "Being rejected",
  rejected: "Rejected",
  cancelling: "Being cancelled",
  cancelled: "Cancelled",
};
const REASONS = {
  out_of_stock: "out of stock",
  undeliverable: "it can't be delivered to this address",
  account_blocked: "the account is blocked",
  payment_declined: "the card was declined",
  price_changed: "its price has changed",
  unit_price_differs: "a price has changed",
  shipping_differs: "the price of delivery has changed",
  tax_differs: "the tax has changed",
  discount_differs: "the coupon takes something else off",
  coupon_unknown: "there is no such coupon",
  coupon_expired: "the coupon has expired",
  coupon_used_up: "the coupon is used up",
  coupon_used: "the coupon was used before",
  coupon_reason_withheld: "its prices or coupons are not right, and many coupons were tried",
  article_unknown: "something in it is not sold any more",
  article_not_available: "something in it can't be bought at the moment",
  order_id_too_old: "it could not be sent for more than a day",
  order_id_in_future: "this device's clock is ahead",
  wholesale_not_allowed: "this account may not order wholesale",
  order_id_taken: "another order has this number",
  order_id_void: "its payment goes back",
};

export const statusName = (status) => NAMES[status] ?? status;

/** A reason in words; an unknown one as the store named it. */
export const reasonName = (reason) => REASONS[reason]
  ?? (/^coupon_/.test(reason) ? "a coupon can't be used" : String(reason).replaceAll("_", " "));

export function badge(status) {
  return h("span", { class: `badge is-${status}` }, statusName(status));
}

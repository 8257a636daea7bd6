/** How an order's state is called and coloured, the same wherever it is shown. */
import { h } from "./dom.js";

const NAMES = {
  unknown: "Not known yet",
  paying: "Waiting for payment",
  sending: "Sending",
  held: "Waiting for approval",
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
  approval_refused: "an approver refused it",
  approval_expired: "nobody approved it in time",
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
  approval_not_allowed: "only another approver may decide",
  order_not_held: "it waits for no approval",
  order_decided: "it was decided about or cancelled meanwhile, or its time was over",
  purchase_order_missing: "it has no purchase order number",
  purchase_order_used: "its purchase order number was used before",
  currency_not_accepted: "the store does not take this currency",
  delivery_not_offered: "we don't deliver to this country",
  state_unknown: "we don't deliver to this state",
  case_pack_broken: "something in it is sold by the case",
  article_not_on_channel: "something in it is not sold in this currency",
  order_id_taken: "another order has this number",
  order_id_void: "its payment goes back",
  order_rejected: "it was rejected before",
};
/** Rules that no customer can do anything about, by what they begin with. */
const KINDS = [
  [/^coupon_/, "a coupon can't be used"],
  [/^price_signature_/, "its prices are not valid any more"],
  [/^(payment|receipt)_/, "its payment does not fit it"],
  [/^(body|field|order|country|lines|quantity|unit|sku|amount|discount|total|purchase|customer|limit|cursor|void|quotes)/,
    "the store could not read it"],
];
const FIELDS = {
  name: "Recipient's name", lines: "Street and number", city: "City", state: "State", postal_code: "Postal code",
  country: "Country", phone: "Phone", email: "E-mail", purchase_order: "Purchase order number",
};

/** Why there is no answer, as far as this device knows. */
export const unreached = () => (navigator.onLine ? "The store can't be reached just now." : "You are offline.");

export const statusName = (status) => NAMES[status] ?? status;

/** What a JSON Pointer into an order's texts means to who typed them. */
export function fieldName(pointer = "") {
  const [, field] = /^\/(?:address\/)?(?!lines\/\d+\/)(\w+)/.exec(pointer) ?? [];
  return FIELDS[field] ?? "Text";
}

/** A reason in words; one that only this store's downstreams know, as they named it. */
export function reasonName(reason, pointer) {
  if (reason === "text_invalid") return `the ${fieldName(pointer).toLowerCase()} has a character that we can't use, or is too long`;
  return REASONS[reason] ?? KINDS.find(([rules]) => rules.test(reason))?.[1] ?? String(reason).replaceAll("_", " ");
}

export function badge(status) {
  return h("span", { class: `badge is-${status}` }, statusName(status));
}

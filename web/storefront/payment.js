/**
 * A fake payment. A shop puts its gateway's client here and leaves everything else as it is.
 *
 * What the rest of the storefront relies on:
 *  - `pay` asked twice for the same order takes the money once (the order's id is the gateway's
 *    idempotency key) and gives the same payment;
 *  - the payment carries a receipt that the gateway signed for this customer, order id, amount,
 *    currency and reference (src/orders/domain/receipt.py), so that no page can invent one, and it
 *    pays for this customer's order only. The fake reads the customer from the token; a gateway of
 *    its own may as well be told, because a lie gains nothing;
 *  - neither is called for an order with nothing to pay;
 *  - `release` gives back what was taken for an order that the store refused, only with the store's
 *    proof that the order's id is void. At its word alone a customer could have the money back, and
 *    then send a right order with the same receipt.
 *
 * The gateway charges the store's price, never the page's word: it gets the order and asks the store
 * for a quote of it, as the customer.
 *
 * The gateway's keys are on its server, never in a page. Here that server is a local one
 * (src/spillway/run/stack/gateway.py), which exists only where `spillway up` runs.
 */
import { PaymentDeclined } from "./outbox.js";
import { asCustomer } from "./sign-in.js";

const GATEWAY = "/_local/payments";

/** What the customer chooses from in place of a card form. */
export const METHODS = [
  { id: "approved", label: "Test card that is approved" },
  { id: "declined", label: "Test card that is declined" },
];

/**
 * @param {{id: string, order: object, total: number, method: string}} entry
 * @returns {Promise<{reference: string, amount: number, currency: string, receipt: string}>}
 */
export async function pay(entry) {
  const answer = await ask("PUT", entry.id, { order: entry.order, amount: entry.total, method: entry.method });
  if (answer.status === 402) throw new PaymentDeclined("The card was declined. No money was taken.");
  if (answer.status === 400) throw new PaymentDeclined("The gateway can't charge this.", [{ rule: "payment_not_possible", pointer: "", detail: "No payment of this kind can be made." }]);
  if (answer.status === 422) throw priceChanged(entry, await answer.json());
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}

const ask = (method, path, content) => asCustomer(method, `${GATEWAY}/${path}`, content);

/** The store asks another sum than the customer was shown. */
function priceChanged({ total }, quote) {
  if (quote.violations.length) return new PaymentDeclined("The store does not sell it so.", quote.violations);
  const detail = "The price has changed since it was shown.";
  return new PaymentDeclined(detail, [
    { rule: "price_changed", pointer: "/total", detail, shown: total, expected: quote.total },
  ]);
}

/** @returns {Promise<void>} */
export async function release(entry, proofs) {
  const answer = await ask("POST", `${entry.id}/refund`, { proofs });
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
}

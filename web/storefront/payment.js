/**
 * A fake payment. A shop puts its gateway's client here and leaves everything else as it is.
 *
 * What the rest of the storefront relies on:
 *  - `pay` asked twice for the same order takes the money once (the order's id is the gateway's
 *    idempotency key) and gives the same payment;
 *  - the payment carries a receipt that the gateway signed for this order id, amount, currency and
 *    reference (src/orders/domain/receipt.py), so that no page can invent one;
 *  - `release` gives back what was taken for an order that the store refused.
 *
 * The gateway's keys are on its server, never in a page. Here that server is a local one
 * (src/spillway/run/stack/gateway.py), which exists only where `spillway up` runs.
 */
import { PaymentDeclined } from "./outbox.js";

const GATEWAY = "/_local/payments";
const TIMEOUT_MS = 20_000;

/** What the customer chooses from in place of a card form. */
export const METHODS = [
  { id: "approved", label: "Test card that is approved" },
  { id: "declined", label: "Test card that is declined" },
];

/**
 * @param {{id: string, total: number, currency: string, method: string}} entry
 * @returns {Promise<{reference: string, amount: number, currency: string, receipt: string}>}
 */
export async function pay(entry) {
  const answer = await fetch(`${GATEWAY}/${entry.id}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ amount: entry.total, currency: entry.currency, method: entry.method }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (answer.status === 402) throw new PaymentDeclined("The card was declined. No money was taken.");
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}

/** @returns {Promise<void>} */
export async function release(entry) {
  const answer = await fetch(`${GATEWAY}/${entry.id}`, {
    method: "DELETE",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
}

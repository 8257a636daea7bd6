/** Reading and cancelling orders, deciding about those that are held, and asking what one would cost. Only the outbox places them. */
import { learn, serviceNow } from "./clock.js";
import { SignInNeeded, retryAfterMs } from "./outbox.js";
import { asCustomer } from "./sign-in.js";

const ORDERS = "/api/orders";
const QUOTES = "/api/quotes";
const TRIES_MAX = 5;

/** The API refused, or it failed. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? problem?.message ?? `The store answered ${status}.`);
    this.status = status;
    /** Of the service's own refusal; null of any other answer. */
    this.rule = problem?.violations?.[0]?.rule ?? null;
  }
}

/**
 * @returns {Promise<{body: object, lookAgainMs: number}>} the order as the contract describes it, and
 *   when it is worth another look, 0 where the store does not say; Problem 404 if there is none
 */
export const getOrder = (id) => callAbout(id, "GET");

/** @returns {Promise<{orders: object[], cursor: string | null}>} newest first */
export const listOrders = async (cursor, limit = 20) =>
  (await call("GET", `${ORDERS}?${new URLSearchParams({ limit, ...(cursor && { cursor }) })}`)).body;

/**
 * What goods and coupons come to, by the store's word.
 *
 * @param {{channel: string, currency: string, lines: {sku: string, quantity: number}[],
 *   country: string, state: string, coupons: string[]}} basket
 * @returns {Promise<object>} as the contract's Quote
 */
export const getQuote = async (basket) => (await call("POST", QUOTES, basket)).body;

/** Ask for a cancellation. @returns {Promise<{body: object, lookAgainMs: number}>} */
export const cancelOrder = (id) => insisted(id, "PUT", "/cancellation");

/**
 * Release or refuse an order that is held.
 *
 * @param {"released" | "refused"} verdict
 * @returns {Promise<{body: object, lookAgainMs: number}>}
 */
export const decide = (id, verdict) => insisted(id, "POST", "/approval", { verdict });

/** The same request until it is answered, as with an order. */
async function insisted(...request) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callAbout(...request);
    } catch (error) {
      const final = error instanceof SignInNeeded || (error.status >= 400 && error.status < 429);
      if (final || attempt === TRIES_MAX) throw error;
      await new Promise((wake) => setTimeout(wake, 500 * 2 ** attempt * (0.5 + Math.random() / 2)));
    }
  }
}

/** A Wi-Fi's own page answers 200 too: what is about this order names it. */
async function callAbout(id, method, below = "", content = undefined) {
  const answer = await call(method, `${ORDERS}/${encodeURIComponent(id)}${below}`, content);
  if (answer.body.order_id !== id) throw new Problem(200, null);
  return answer;
}

async function call(method, path, content) {
  const answer = await asCustomer(method, path, content);
  learn(answer);
  const body = await answer.json().catch(() => null);
  if (!answer.ok || body === null) throw new Problem(answer.status, body);
  return { body, lookAgainMs: retryAfterMs(answer.headers.get("retry-after"), serviceNow()) };
}

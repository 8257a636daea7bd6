/**
 * Who is signed in, with the tokens: each open tab of the store has them, and no other place.
 *
 * They are in sessionStorage, which ends with its tab: no later visitor finds them, and a reload or
 * the next page keeps them. Memory alone would send the customer away to the issuer on every page,
 * and would be no safer: a foreign script could ask for a token as this one does. The content
 * security policy keeps such scripts out. Never in localStorage, and never in a cookie, which the
 * browser would send along unasked.
 *
 * A tab that has none asks the others (a BroadcastChannel reaches this store's pages alone): whoever
 * is signed in here is so in a new tab too, and signs out of all. One tab at a time renews, and hands
 * the new tokens on: an issuer that rotates refresh tokens takes the second use of one for a theft,
 * and ends them all.
 */
import { channelTo, local, tab } from "./storage.js";

const SESSION = "session";
/** In localStorage, as long as there may be a tab to ask: nobody else waits for an answer. */
const HINT = "signed-in";
const ANSWER_MAX_MS = 300;
const LOCK = "spillway-session";
/** OAuth 2.0's errors (RFC 6749, 5.2) that are the issuer's no. All others say nothing. */
const FINAL = ["invalid_grant", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];

/**
 * @typedef {{sub: string, name: string, trade: boolean, approves: boolean,
 *   limits: Record<string, number>}} Customer `limits` by channel, in minor units: an order above it
 *   waits for an approver of the company
 */
/**
 * @typedef {{access_token: string, refresh_token?: string, id_token?: string, ends_at: number,
 *   customer: Customer}} Session `ends_at` in ms, by this device's clock
 */

export class SessionOfTabs {
  #own;
  #hint;
  #channel;
  #locks;
  #waiting = null;

  constructor({
    own = tab, hint = local, channel = channelTo("spillway-session"),
    locks = globalThis.navigator?.locks,
  } = {}) {
    this.#own = own;
    this.#hint = hint;
    this.#channel = channel;
    this.#locks = locks;
    channel.onmessage = ({ data }) => this.#heard(data);
  }

  /** @returns {Session | null} */
  read() {
    try {
      return JSON.parse(this.#own.getItem(SESSION));
    } catch {
      return null;
    }
  }

  keep(session) {
    this.#own.setItem(SESSION, JSON.stringify(session));
    this.#hint.setItem(HINT, "1");
    this.#channel.postMessage({ given: session });
  }

  /** In this tab. */
  end() {
    this.#own.removeItem(SESSION);
    globalThis.dispatchEvent?.(new Event("signed-out"));
  }

  /** In all tabs. */
  endEverywhere() {
    const sub = this.read()?.customer.sub;
    this.#own.removeItem(SESSION);
    this.#hint.removeItem(HINT);
    if (sub) this.#channel.postMessage({ ended: sub });
  }

  /** Take over the session of another tab, if there is one. */
  async join() {
    if (this.read() || !this.#hint.getItem(HINT)) return;
    if (!await this.#ask()) this.#hint.removeItem(HINT);
  }

  /**
   * The session that comes after this one: another tab's, or what `renew` gives for this one. No two
   * tabs are at it at once.
   *
   * @param {Session} old
   * @param {(old: Session) => Promise<Session | null>} renew
   * @returns {Promise<Session | null>} null when the customer has to sign in
   */
  async renewed(old, renew) {
    const once = async () => {
      const isNewer = () => this.read()?.ends_at > old.ends_at;
      return isNewer() || (await this.#ask() && isNewer()) ? this.read() : renew(old);
    };
    return this.#locks ? this.#locks.request(LOCK, once) : once();
  }

  /** Whether another tab had a session for this one. */
  async #ask() {
    let timer;
    const answered = new Promise((resolve) => {
      this.#waiting = () => resolve(true);
      timer = setTimeout(() => resolve(false), ANSWER_MAX_MS);
    });
    this.#channel.postMessage({ asked: true });
    const found = await answered;
    clearTimeout(timer);
    this.#waiting = null;
    return found;
  }

  #heard({ asked, given, ended }) {
    const own = this.read();
    if (asked && own) this.#channel.postMessage({ given: own });
    if (ended && own?.customer.sub === ended) this.end();
    const wanted = own ? given?.customer.sub === own.customer.sub && given.ends_at > own.ends_at : this.#waiting;
    if (!given || !wanted) return;
    this.#own.setItem(SESSION, JSON.stringify(given));
    this.#waiting?.();
  }
}

/** For showing only: the API decides what the customer may do, and takes a text for one group too. */
export function customerOf(claims, { groups_claim, wholesale_group, approvals: { limit_claim, group, companies = {} } = {} }) {
  const groups = [claims[groups_claim] ?? []].flat();
  const limits = {};
  for (const [channel, claim] of Object.entries(companies)) {
    // As the service reads it: what is no amount holds every order.
    const [, limit = 0] = /^"?(\d+)"?$/.exec(JSON.stringify(claims[limit_claim])) ?? [];
    if (limit_claim in claims && claims[claim] !== claims.sub) limits[channel] = Number(limit);
  }
  return {
    sub: claims.sub,
    name: claims.name ?? claims.email ?? "Signed in",
    trade: groups.includes(wholesale_group),
    approves: groups.includes(group),
    limits,
  };
}

/** Whether what a renewal met is the issuer's no, and not its trouble, a firewall's or a Wi-Fi's. */
export function isFinal({ status, error }) {
  return [400, 401].includes(status) && FINAL.includes(error);
}

/** When a token was issued, in ms by the issuer's clock; NaN where it does not say. */
export function issuedAt(jwt) {
  try {
    return JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).iat * 1_000;
  } catch {
    return Number.NaN;
  }
}

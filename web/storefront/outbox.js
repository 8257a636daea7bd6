/**
 * The order outbox: an order that was pressed is never lost, and is never two orders.
 *
 * These are the rules for every client, also a mobile app (docs/client.md has them as a table):
 *
 * 1. The id is made once, before the button can be pressed, and belongs to the basket.
 * 2. Id and order are stored where they survive a crash before anything is sent.
 * 3. The same request is sent until it is answered. No answer, and any answer that is not the order
 *    service's own, says nothing: the order may have arrived. So it is sent again, unchanged.
 * 4. Only two answers end it: the acknowledgement that names this id, and a problem document that
 *    refuses the order. Both are final.
 * 5. It is sent only for the customer who made it.
 * 6. The id of an order that was refused is made void: an earlier attempt may still be on its way to
 *    the store, or wait in its overflow queue. Its payment goes back only with the proof of that.
 *
 * IndexedDB and not localStorage: a transaction with strict durability completes when it is on the
 * disk, while localStorage may be written seconds later; and changes from several tabs wait for one
 * another. Web Locks let one tab at a time send an order. That saves requests; the id keeps it one
 * order.
 */

/** @typedef {"sending" | "accepted" | "rejected"} State */
/**
 * @typedef {object} Entry
 * @property {string} id UUIDv7, the order's id
 * @property {string} customer the token's `sub`
 * @property {object | null} order as the API takes it, without `payment`; null once accepted
 * @property {object | null} payment what the gateway gave for it; null before, and with nothing to pay
 * @property {State} state
 * @property {number} total minor units
 * @property {string} currency ISO 4217
 * @property {string} [method] what the customer pays with, for `pay`
 * @property {number} kept_at ms
 * @property {number} tries sends that brought no final answer
 * @property {number} next_at ms: not to be sent before
 * @property {"offline" | "busy" | "sign-in" | null} held why it was not answered the last time
 * @property {string | null} accepted_at from the acknowledgement
 * @property {number | null} ended_at ms: when it was accepted, by this device's clock
 * @property {number | null} look_at ms: when the order is first worth a look at the store
 * @property {Violation[]} violations why it was rejected
 * @property {boolean} [seen] the customer knows that it was rejected
 * @property {boolean} [taken_back] its goods are in the basket again
 * @property {boolean} release_owed the id of a rejected order is still to be made void, and what was
 *   paid to be given back
 */
/** @typedef {{rule: string, pointer: string, detail: string}} Violation */

const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 60_000;
/** A Retry-After beyond this is not believed. */
const RETRY_AFTER_MAX_MS = 15 * 60_000;
const RETRY_AFTER_JITTER = 0.25;
const PAUSE_LONGEST_MS = RETRY_AFTER_MAX_MS * (1 + RETRY_AFTER_JITTER);
/** When nearly every order has settled, where the acknowledgement does not say. */
export const LOOK_FIRST_MS = 2_000;
/** The API gives up after 30 s. */
const TIMEOUT_MS = 35_000;
/** How long another tab may take over an order before this one looks again. */
const OTHER_TAB_MS = 5_000;
/** The service takes no new order under an id older than this. */
const ID_AGE_MAX_MS = 24 * 60 * 60_000;
const TICK_MS = 50;
const KEPT_ACCEPTED_MS = 24 * 60 * 60_000;

/** `pay` throws it for the gateway's final no, with the reasons. */
export class PaymentDeclined extends Error {
  /** @param {Violation[]} [violations] */
  constructor(message, violations = [{ rule: "payment_declined", pointer: "", detail: message }]) {
    super(message);
    this.violations = violations;
  }
}

/** The customer has to sign in again. Any other error of `pay` says nothing about the money. */
export class SignInNeeded extends Error {}

/** A UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, version, variant, 74 random bits. */
export function uuid7(now, random = crypto.getRandomValues(new Uint8Array(10))) {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.floor(now)) << 16n);
  bytes.set(random, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The time in a UUIDv7, in ms. */
export function timeOf(id) {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

/** How long to wait after the `tries`-th try: doubling, the upper half at random. */
export function pauseMs(tries, jitter, retryAfterMs = 0) {
  const ceiling = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** Math.min(tries - 1, 16));
  const asked = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
  // Clients that all got the same pause do not all come back in the same second.
  return Math.round(Math.max(ceiling * (0.5 + 0.5 * jitter), asked * (1 + RETRY_AFTER_JITTER * jitter)));
}

/** Retry-After as ms from now: seconds or an HTTP date (RFC 9110, 10.2.3); 0 where there is none. */
export function retryAfterMs(value, now) {
  if (!value) return 0;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  return Math.max(0, (Date.parse(value) || 0) - now);
}

/**
 * What an answer to a PUT means.
 *
 * @param {{status: number, type: string, body: any}} answer
 * @returns {"accepted" | "rejected" | "unauthorised" | "unknown"}
 */
export function verdict({ status, type, body }, id) {
  if ([200, 201, 202].includes(status)) {
    // A Wi-Fi's sign-in page answers 200 too.
    return body?.order_id === id ? "accepted" : "unknown";
  }
  if (status === 401) return "unauthorised";
  // A firewall or a proxy says 403 too: only the service's own no counts.
  return isOurs(type, body) && [400, 403, 409, 413, 422].includes(status) ? "rejected" : "unknown";
}

/**
 * What an answer to a cancellation with `void=true` means: no order is at the store, and none ever
 * will be; or one is, and it is undone.
 *
 * @returns {"void" | "stored" | "unauthorised" | "unknown"}
 */
export function voidVerdict({ status, type, body }, id) {
  if (status === 200 && body?.order_id === id && Array.isArray(body.proofs)) return "void";
  if (status === 202 && body?.order_id === id) return "stored";
  if (status === 401) return "unauthorised";
  return status === 409 && isOurs(type, body) ? "stored" : "unknown";
}

function isOurs(type, body) {
  return type.startsWith("application/problem+json") && Array.isArray(body?.violations);
}

function isVoid({ body }) {
  return body.violations.some(({ rule }) => rule === "order_id_void");
}

export class Outbox {
  #world;
  #listeners = new Set();
  #timer;
  #running = null;
  #again = false;
  /** By id, until when an order is left to another tab. */
  #elsewhere = new Map();

  /**
   * @param {object} outside
   * @param {string} outside.endpoint such as "/api/orders"
   * @param {(options: {renew: boolean}) => Promise<string | null>} outside.token the signed-in
   *   customer's access token, renewed first if asked; null when the customer has to sign in
   * @param {() => string | null} outside.customer the signed-in customer's `sub`
   * @param {(entry: Entry) => Promise<object>} outside.pay asks the gateway for the payment of an
   *   order; again for the same order, it is the same payment. Throws PaymentDeclined for a final no
   * @param {(entry: Entry, proofs: string[]) => Promise<void>} outside.release gives the payment back,
   *   with the service's proofs that it buys nothing any more; may be repeated. Not called without one
   * @param {() => number} [outside.now] this device's clock, ms: how long something takes here
   * @param {() => number} [outside.serviceNow] the service's, for what the service wrote: an order's
   *   id, or the date of an answer. A device's clock may be days wrong
   */
  constructor(outside) {
    this.#world = {
      fetch: globalThis.fetch.bind(globalThis),
      now: Date.now,
      serviceNow: outside.now ?? Date.now,
      random: Math.random,
      locks: globalThis.navigator?.locks,
      channel: null,
      ...outside,
    };
    const { channel } = this.#world;
    if (channel) channel.onmessage = () => { this.#announce(); this.wake(); };
  }

  /**
   * Store an order to be paid and sent; resolves when it is safe. Pressed again under the same id,
   * the first order stays.
   *
   * @returns {Promise<Entry>} what is stored under the id
   */
  async keep({ id, customer, order, total, currency, method }) {
    const entry = {
      id, customer, order, total, currency, method, payment: null, state: "sending",
      kept_at: this.#world.now(), tries: 0, next_at: 0, held: null, accepted_at: null, ended_at: null,
      look_at: null, violations: [], release_owed: false,
    };
    const kept = await this.#world.store.add(entry);
    this.#changed();
    this.wake();
    return kept;
  }

  /** @returns {Promise<Entry[]>} the customer's own, oldest first */
  async entries() {
    const customer = this.#world.customer();
    return (await this.#world.store.all()).filter((entry) => entry.customer === customer);
  }

  /** Whether orders of another customer wait here to be sent. */
  async othersWait() {
    const customer = this.#world.customer();
    const all = await this.#world.store.all();
    return all.some((entry) => entry.customer !== customer && isWork(entry));
  }

  /** @returns {Promise<Entry | null>} */
  async get(id) {
    const entry = await this.#world.store.get(id);
    return entry && entry.customer === this.#world.customer() ? entry : null;
  }

  /** Drop an order after its end was shown. One that is still to be sent stays. */
  async forget(id) {
    const entry = await this.#world.store.get(id);
    if (!entry || isWork(entry)) return;
    await this.#world.store.remove(id);
    this.#changed();
  }

  /**
   * What a rejected order had is to go back to the basket: once, however often and in however many
   * tabs that is asked for.
   *
   * @returns {Promise<boolean>} whether it is the caller's to do
   */
  async takeBack(id) {
    const before = await this.#world.store.update(id, (entry) => ({ ...entry, taken_back: true }));
    return Boolean(before && !before.taken_back);
  }

  /** The customer has seen that it was rejected: no page need say so any more. */
  async see(id) {
    const entry = await this.#world.store.get(id);
    if (entry && !entry.seen) await this.#record(id, { seen: true });
  }

  /** @param {() => void} listener is called after every change, also one by another tab */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The network is back, or a customer signed in: send what waits for that now. A store that asked
   * for a pause gets it.
   */
  async hurry() {
    this.#elsewhere.clear();
    for (const entry of await this.entries()) {
      if (isWork(entry) && entry.held !== "busy") {
        await this.#world.store.update(entry.id, (now) => ({ ...now, next_at: 0 }));
      }
    }
    return this.wake();
  }

  /** Send what is due, now and from now on. Resolves when nothing is due any more. */
  wake() {
    this.#again = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run() {
    try {
      do {
        this.#again = false;
        await this.#round();
      } while (this.#again);
    } catch {
      // The storage failed: it may be well again, and what is in it is still to be sent.
      this.#alarm(PAUSE_MAX_MS);
    } finally {
      this.#running = null;
    }
  }

  async #round() {
    for (const entry of await this.entries()) {
      if (isWork(entry) && this.#isDue(entry)) await this.#process(entry.id);
      else if (entry.ended_at && entry.ended_at < this.#world.now() - KEPT_ACCEPTED_MS) {
        await this.#world.store.remove(entry.id);
      }
    }
    const due = (await this.entries()).filter(isWork).map((entry) => this.#dueAt(entry));
    if (due.length) this.#alarm(Math.max(TICK_MS, Math.min(...due) - this.#world.now()));
  }

  #isDue(entry) {
    return this.#dueAt(entry) <= this.#world.now();
  }

  #dueAt({ id, next_at }) {
    // Nothing is put off for longer than that: the clock was set back meanwhile.
    const asked = next_at > this.#world.now() + PAUSE_LONGEST_MS ? 0 : next_at;
    return Math.max(asked, this.#elsewhere.get(id) ?? 0);
  }

  #alarm(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), wait);
    this.#timer.unref?.();
  }

  /** Do what is due for one order, unless another tab is at it. */
  async #process(id) {
    if (!this.#world.locks) return this.#step(id);
    await this.#world.locks.request(`spillway-order-${id}`, { ifAvailable: true }, async (lock) => {
      if (lock) await this.#step(id);
      // Not written down: it would hold up the tab that is at it.
      else this.#elsewhere.set(id, this.#world.now() + OTHER_TAB_MS);
    });
  }

  async #step(id) {
    // Again, under the lock: another tab may have done it meanwhile.
    const entry = await this.#world.store.get(id);
    if (!entry || !isWork(entry) || !this.#isDue(entry)) return;
    if (entry.customer !== this.#world.customer()) return;
    if (entry.release_owed) return this.#giveBack(entry);
    if (isUnpaid(entry)) return this.#payFor(entry);
    return this.#send(entry);
  }

  async #payFor(entry) {
    if (this.#world.serviceNow() - timeOf(entry.id) > ID_AGE_MAX_MS) {
      // Nothing was paid and nothing sent: the only case in which an id's age alone says no.
      const detail = "It could not be sent for more than a day.";
      return this.#reject(entry, [{ rule: "order_id_too_old", pointer: "", detail }]);
    }
    let payment;
    try {
      payment = await this.#world.pay(entry);
    } catch (error) {
      if (error instanceof PaymentDeclined) return this.#reject(entry, error.violations);
      return this.#later(entry, error instanceof SignInNeeded ? "sign-in" : "offline");
    }
    await this.#record(entry.id, { payment, tries: 0, held: null });
    return this.#step(entry.id);
  }

  #reject(entry, violations) {
    return this.#record(entry.id, { state: "rejected", violations });
  }

  async #giveBack(entry) {
    let answer;
    let meaning;
    try {
      answer = await this.#put(entry, "/cancellation?void=true");
      meaning = answer && voidVerdict(answer, entry.id);
      if (meaning === "void" && entry.payment) await this.#world.release(entry, answer.body.proofs);
    } catch {
      return this.#later(entry, "offline");
    }
    switch (meaning) {
      case "void":
        return this.#record(entry.id, { release_owed: false, held: null });
      case "stored":
        // An attempt that was not answered had arrived: the store cancels the order, and refunds it.
        return this.#record(entry.id, { ...this.#atTheStore(answer), release_owed: false, violations: [] });
      case "unknown":
        return this.#later(entry, "busy", answer.retryAfterMs);
      default:
        return this.#later(entry, "sign-in");
    }
  }

  async #send(entry) {
    const order = { ...entry.order, ...(entry.payment && { payment: entry.payment }) };
    let answer;
    try {
      answer = await this.#put(entry, "", order);
    } catch {
      return this.#later(entry, "offline");
    }
    switch (answer && verdict(answer, entry.id)) {
      case "accepted":
        return this.#record(entry.id, { ...this.#atTheStore(answer), accepted_at: answer.body.accepted_at });
      case "rejected":
        return this.#record(entry.id, {
          state: "rejected", held: null, violations: answer.body.violations,
          // After a clash the store has an order of this id, which this payment may have paid.
          release_owed: answer.status !== 409 || isVoid(answer),
        });
      case "unknown":
        return this.#later(entry, "busy", answer.retryAfterMs);
      default:
        return this.#later(entry, "sign-in");
    }
  }

  /** The store has the order now: the address need not stay here. */
  #atTheStore(answer) {
    const ended_at = this.#world.now();
    const look_at = ended_at + Math.min(answer.retryAfterMs || LOOK_FIRST_MS, RETRY_AFTER_MAX_MS);
    return { state: "accepted", order: null, payment: null, held: null, ended_at, look_at };
  }

  /** A PUT for the order, with its token renewed if need be; null when no customer is signed in.
   *  Throws when there is no answer. */
  async #put(entry, path, content = {}) {
    const answer = await this.#putOnce(entry, path, content, { renew: false });
    return answer?.status === 401 ? this.#putOnce(entry, path, content, { renew: true }) : answer;
  }

  async #putOnce(entry, path, content, { renew }) {
    const token = await this.#world.token({ renew });
    if (!token) return null;
    const response = await this.#world.fetch(`${this.#world.endpoint}/${entry.id}${path}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(content),
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return {
      status: response.status,
      type: response.headers.get("content-type") ?? "",
      retryAfterMs: retryAfterMs(response.headers.get("retry-after"), this.#world.serviceNow()),
      body: parsed(text),
    };
  }

  #later(entry, held, retryAfter = 0) {
    const tries = entry.tries + 1;
    const next_at = this.#world.now() + pauseMs(tries, this.#world.random(), retryAfter);
    return this.#record(entry.id, { tries, next_at, held });
  }

  async #record(id, change) {
    await this.#world.store.update(id, (entry) => ({ ...entry, ...change }));
    this.#again = true;
    this.#changed();
  }

  #changed() {
    this.#world.channel?.postMessage("changed");
    this.#announce();
  }

  #announce() {
    for (const listener of this.#listeners) listener();
  }
}

/** Whether an order must be paid before it can be sent. With a total of 0 there is nothing to pay. */
export function isUnpaid(entry) {
  return entry.total > 0 && entry.payment === null;
}

/** Whether something is still to be done for an order. */
function isWork(entry) {
  return entry.state === "sending" || entry.release_owed;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * The browser's storage of entries.
 *
 * Rejects where there is none (some private windows): then nothing may be ordered. A connection that
 * the browser closes later, as Safari does in the background, is opened again.
 */
export async function openStore() {
  let database = null;
  const connected = async () => { database ??= await opened(); return database; };
  /** What the request that `use` makes has found, once all that it did is on the disk. */
  const within = async (mode, use) => {
    const used = await connected();
    try {
      return await transacted(used, mode, use);
    } catch (error) {
      if (!LOST_CONNECTION.includes(error?.name)) throw error;
      used.close();
      if (database === used) database = null;
      return transacted(await connected(), mode, use);
    }
  };
  await connected();
  const change = (id, use) => within("readwrite", (orders) => {
    const found = orders.get(id);
    found.onsuccess = () => use(orders, found.result);
    return found;
  });
  return {
    get: async (id) => (await within("readonly", (orders) => orders.get(id))) ?? null,
    all: () => within("readonly", (orders) => orders.getAll()),
    /** The entry under the id: this one, or the one that was there. */
    add: async (entry) => (
      await change(entry.id, (orders, found) => { if (!found) orders.add(entry); })) ?? entry,
    /** @returns the entry as it was */
    update: (id, changed) => change(id, (orders, found) => { if (found) orders.put(changed(found)); }),
    remove: (id) => within("readwrite", (orders) => orders.delete(id)),
  };
}

/** Some browsers never answer. */
const OPENED_MAX_MS = 5_000;
/** Of a transaction, which then has changed nothing and may be done anew. */
const LOST_CONNECTION = ["InvalidStateError", "AbortError", "UnknownError"];

function opened() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("spillway-outbox", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("orders", { keyPath: "id" });
    opening.onsuccess = () => {
      // A later version of the page, in another tab, is not kept waiting by this one.
      opening.result.onversionchange = () => opening.result.close();
      resolve(opening.result);
    };
    opening.onerror = () => reject(opening.error);
    setTimeout(() => reject(new Error("the storage does not answer")), OPENED_MAX_MS).unref?.();
    opening.onblocked = () => reject(new Error("another version of the page holds the storage"));
  });
}

function transacted(database, mode, use) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("orders", mode, { durability: "strict" });
    const request = use(transaction.objectStore("orders"));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
  });
}

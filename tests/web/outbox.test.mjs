/** The order outbox, rule by rule. Run by `node --test`, and by pytest through test_modules.py. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";

import {
  Outbox, PaymentDeclined, SignInNeeded, isUnpaid, openStore, pauseMs, retryAfterMs, timeOf, uuid7, verdict,
} from "../../web/storefront/outbox.js";

const NOW = Date.parse("2026-11-23T10:00:00Z");
const ADA = "ada";
const PAYMENT = { reference: "pay_1", amount: 3195, currency: "GBP", receipt: "k1.ab" };
const PROBLEM = "application/problem+json";

/** A browser's storage, without the browser. */
class MemoryStore {
  entries = new Map();
  async get(id) { return structuredClone(this.entries.get(id)) ?? null; }
  async all() { return structuredClone([...this.entries.values()]); }
  async add(entry) {
    if (!this.entries.has(entry.id)) this.entries.set(entry.id, structuredClone(entry));
    return this.get(entry.id);
  }
  async update(id, change) {
    const before = structuredClone(this.entries.get(id));
    if (before) this.entries.set(id, change(structuredClone(before)));
    return before;
  }
  async remove(id) { this.entries.delete(id); }
}

/** Locks as the browser's tabs share them. */
class Locks {
  held = new Set();
  async request(name, { ifAvailable }, use) {
    assert.ok(ifAvailable);
    if (this.held.has(name)) return use(null);
    this.held.add(name);
    try {
      return await use({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

/** A world in which answers are given in advance; without one more there is no connection. */
function world({ answers = [], voidAnswers = [], store = new MemoryStore(), locks = null, ...others } = {}) {
  const seen = {
    now: NOW, sent: [], paid: [], released: [], voids: [], tokens: [], customer: ADA, store, answers, locks,
  };
  seen.voided = (url) => {
    seen.voids.push(url);
    const answer = voidAnswers.length ? voidAnswers.shift() : madeVoid();
    if (!answer) throw new TypeError("fetch failed");
    return answer;
  };
  seen.outbox = new Outbox({
    store,
    endpoint: "/api/orders",
    customer: () => seen.customer,
    now: () => seen.now,
    random: () => 0.5,
    locks,
    token: async ({ renew }) => {
      seen.tokens.push(renew);
      return seen.customer && `token of ${seen.customer}${renew ? ", renewed" : ""}`;
    },
    pay: async (entry) => {
      seen.paid.push(entry.id);
      return PAYMENT;
    },
    release: async (entry, proofs) => { seen.released.push(entry.id, ...proofs); },
    fetch: async (url, request) => {
      if (url.endsWith("/cancellation?void=true")) return seen.voided(url);
      const stored = await store.get(url.split("/").pop());
      seen.sent.push({ url, ...request, body: JSON.parse(request.body), stored });
      const answer = seen.answers.shift();
      if (!answer) throw new TypeError("fetch failed");
      return answer;
    },
    ...others,
  });
  seen.after = async (ms) => {
    seen.now += ms;
    await seen.outbox.wake();
  };
  return seen;
}

const id = uuid7(NOW);
const order = { channel: "retail", total: 3195, lines: [] };
const kept = { id, customer: ADA, order, total: 3195, currency: "GBP", method: "card" };
const answer = (status, body, headers = {}) =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), {
    status, headers: { "content-type": "application/json", ...headers },
  });
const acknowledged = (status, of = id, headers = {}) =>
  answer(status, { order_id: of, accepted_at: "2026-11-23T10:00:01.000Z" }, headers);
const madeVoid = (of = id) => answer(200, { order_id: of, status: "void", proofs: ["k1.proof"] });
const refused = (status, rule) => answer(
  status, { title: "no", violations: [{ rule, pointer: "", detail: "Because." }] },
  { "content-type": PROBLEM },
);

async function ordered(seen) {
  await seen.outbox.keep(kept);
  await seen.outbox.wake();
  return seen.store.get(id);
}

test("an id is a UUIDv7 of its time, and no two are the same", () => {
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(timeOf(id), NOW);
  assert.equal(new Set(Array.from({ length: 1_000 }, () => uuid7(NOW))).size, 1_000);
  assert.ok(uuid7(NOW) < uuid7(NOW + 1));
});

test("an order is stored before the first request leaves, payment included", async () => {
  const seen = world({ answers: [acknowledged(201)] });
  await ordered(seen);
  const [{ stored, body, method, url, headers }] = seen.sent;
  assert.deepEqual(stored.payment, PAYMENT);
  assert.deepEqual(body, { ...order, payment: PAYMENT });
  assert.deepEqual([method, url], ["PUT", `/api/orders/${id}`]);
  assert.equal(headers.authorization, "Bearer token of ada");
});

test("with nothing to pay the gateway is not asked, and the order has no payment", async () => {
  const seen = world({ answers: [answer(503, {}), acknowledged(201)] });
  await seen.outbox.keep({ ...kept, order: { ...order, total: 0 }, total: 0 });
  await seen.outbox.wake();
  assert.equal(isUnpaid(await seen.store.get(id)), false);
  await seen.after(100_000);
  assert.deepEqual(seen.sent.map(({ body }) => body), Array(2).fill({ ...order, total: 0 }));
  assert.equal((await seen.store.get(id)).state, "accepted");
  assert.deepEqual(seen.paid, []);
});

test("with nothing to pay a refused order's id is made void too: a try of it may wait at the store", async () => {
  const seen = world({ answers: [answer(503, {}), refused(422, "order_id_too_old")], voidAnswers: [answer(503, {})] });
  await seen.outbox.keep({ ...kept, order: { ...order, total: 0 }, total: 0 });
  await seen.outbox.wake();
  await seen.after(100_000);
  assert.deepEqual([(await seen.store.get(id)).release_owed, seen.voids.length], [true, 1]);
  await seen.after(100_000);
  const entry = await seen.store.get(id);
  assert.deepEqual([entry.state, entry.release_owed, seen.voids.length], ["rejected", false, 2]);
  assert.deepEqual(seen.released, []);
});

test("what can't be stored is neither paid nor sent", async () => {
  const store = new MemoryStore();
  store.add = async () => { throw new Error("the disk is full"); };
  const seen = world({ store, answers: [acknowledged(201)] });
  await assert.rejects(seen.outbox.keep(kept));
  await seen.outbox.wake();
  assert.deepEqual([seen.paid, seen.sent], [[], []]);
});

test("pressed five times, the first order stays and is sent once", async () => {
  const seen = world({ answers: [acknowledged(201)] });
  const presses = [1, 2, 3, 4, 5].map((total) => seen.outbox.keep({ ...kept, total }));
  assert.deepEqual((await Promise.all(presses)).map((entry) => entry.total), [1, 1, 1, 1, 1]);
  await seen.outbox.wake();
  assert.deepEqual([seen.sent.length, seen.paid.length], [1, 1]);
});

for (const status of [200, 201, 202]) {
  test(`${status} ends it, and the address does not stay in the browser`, async () => {
    const seen = world({ answers: [acknowledged(status)] });
    const entry = await ordered(seen);
    assert.deepEqual(
      [entry.state, entry.order, entry.payment, entry.accepted_at],
      ["accepted", null, null, "2026-11-23T10:00:01.000Z"],
    );
    await seen.after(100_000);
    assert.equal(seen.sent.length, 1);
  });
}

for (const [status, rule] of [
  [400, "body_not_json"], [403, "wholesale_not_allowed"], [413, "body_too_large"],
  [422, "order_id_too_old"],
]) {
  test(`${status} ${rule} ends it, says why, and gives the money back`, async () => {
    const seen = world({ answers: [refused(status, rule)] });
    const entry = await ordered(seen);
    assert.deepEqual([entry.state, entry.violations[0].rule], ["rejected", rule]);
    assert.deepEqual([seen.released, entry.release_owed], [[id, "k1.proof"], false]);
    assert.deepEqual(seen.voids, [`/api/orders/${id}/cancellation?void=true`]);
    assert.deepEqual(entry.order, order);
    await seen.after(100_000);
    assert.equal(seen.sent.length, 1);
  });
}

test("409 ends it too, but the payment may be that of the order at the store", async () => {
  const seen = world({ answers: [refused(409, "order_id_taken")] });
  const entry = await ordered(seen);
  assert.deepEqual([entry.state, seen.released, seen.voids], ["rejected", [], []]);
});

test("of an id that was made void before the money is given back all the same", async () => {
  const seen = world({ answers: [refused(409, "order_id_void")] });
  const entry = await ordered(seen);
  assert.deepEqual([entry.state, entry.release_owed, seen.released], ["rejected", false, [id, "k1.proof"]]);
});

for (const [what, given] of [
  ["no answer", null],
  ["a Wi-Fi's sign-in page", answer(200, "<html>")],
  ["another id's proof", madeVoid("another")],
  ["no proof", answer(200, { order_id: id })],
  ["503", answer(503, {})],
  ["a firewall's 409", answer(409, "no")],
  ["422", refused(422, "order_id_in_future")],
]) {
  test(`without the proof no money is asked for, and it is asked for again: ${what}`, async () => {
    const seen = world({ answers: [refused(422, "text_invalid")], voidAnswers: [given] });
    const entry = await ordered(seen);
    assert.deepEqual([entry.state, entry.release_owed, seen.released], ["rejected", true, []]);
    await seen.after(100_000);
    assert.deepEqual([(await seen.store.get(id)).release_owed, seen.released], [false, [id, "k1.proof"]]);
  });
}

for (const given of [answer(202, { order_id: id, status: "cancelling" }), refused(409, "order_rejected")]) {
  test(`an attempt that arrived after all is the store's to undo and refund: ${given.status}`, async () => {
    const seen = world({ answers: [refused(422, "text_invalid")], voidAnswers: [given] });
    const entry = await ordered(seen);
    assert.deepEqual(
      [entry.state, entry.order, entry.payment, entry.release_owed, seen.released],
      ["accepted", null, null, false, []],
    );
  });
}

test("the money waits for its customer to sign in", async () => {
  const seen = world({ answers: [refused(422, "text_invalid")], voidAnswers: [answer(401, {}), answer(401, {})] });
  const entry = await ordered(seen);
  assert.deepEqual([entry.release_owed, entry.held, seen.voids.length], [true, "sign-in", 2]);
  await seen.outbox.hurry();
  assert.equal((await seen.store.get(id)).release_owed, false);
});

test("money is given back until that is answered, also by the next tab", async () => {
  let failures = 2;
  const release = async () => { if (failures-- > 0) throw new TypeError("fetch failed"); };
  const seen = world({ answers: [refused(422, "text_invalid")], release });
  assert.equal((await ordered(seen)).release_owed, true);
  await seen.outbox.forget(id);
  assert.ok(await seen.store.get(id), "what is owed is not forgotten");
  await seen.after(100_000);
  const next = world({ store: seen.store, release });
  await next.after(200_000);
  assert.equal((await seen.store.get(id)).release_owed, false);
});

for (const [name, given] of [
  ["no connection", null],
  ["429", answer(429, { message: "Too Many Requests" })],
  ["500", answer(500, { title: "a bug" }, { "content-type": PROBLEM })],
  ["503", refused(503, "none")],
  ["502 of a proxy", answer(502, "<html>", { "content-type": "text/html" })],
  ["404 of a gateway", answer(404, { message: "Not Found" })],
  ["a firewall's 403", answer(403, "<html>Blocked", { "content-type": "text/html" })],
  ["a Wi-Fi's sign-in page", answer(200, "<html>Welcome", { "content-type": "text/html" })],
  ["another order's acknowledgement", acknowledged(201, uuid7(NOW))],
]) {
  test(`${name} says nothing: the same request is sent again, and it is one order`, async () => {
    const seen = world({ answers: [given] });
    const entry = await ordered(seen);
    assert.deepEqual([entry.state, entry.tries], ["sending", 1]);
    seen.answers.push(acknowledged(200));
    await seen.after(10);
    assert.equal(seen.sent.length, 1, "not before the pause is over");
    await seen.after(1_000);
    assert.equal((await seen.store.get(id)).state, "accepted");
    assert.deepEqual(seen.sent[0].body, seen.sent[1].body);
    assert.equal(seen.sent[0].url, seen.sent[1].url);
    assert.equal(seen.paid.length, 1);
  });
}

test("pauses double up to a minute, their upper half at random", () => {
  assert.deepEqual([1, 2, 3, 7, 8, 99].map((tries) => pauseMs(tries, 1)), [
    1_000, 2_000, 4_000, 60_000, 60_000, 60_000,
  ]);
  assert.equal(pauseMs(3, 0), 2_000);
});

test("a Retry-After is waited for, in seconds or as a date, also after a reload", async () => {
  assert.equal(retryAfterMs("7", NOW), 7_000);
  assert.equal(retryAfterMs(new Date(NOW + 9_000).toUTCString(), NOW), 9_000);
  assert.equal(retryAfterMs("soon", NOW), 0);
  assert.equal(retryAfterMs(null, NOW), 0);
  assert.ok(pauseMs(1, 0.9, 7_000) >= 7_000);
  assert.ok(pauseMs(1, 0, 1e12) <= 15 * 60_000, "but not for ever");

  const seen = world({ answers: [answer(503, {}, { "retry-after": "30" })] });
  await ordered(seen);
  const reloaded = world({ store: seen.store, answers: [acknowledged(201)] });
  await reloaded.after(29_000);
  await reloaded.outbox.hurry();
  assert.equal(reloaded.sent.length, 0);
  await reloaded.after(10_000);
  assert.equal(reloaded.sent.length, 1);
});

test("an accepted order is first looked at when the store says, or when nearly all have settled", async () => {
  const told = await ordered(world({ answers: [acknowledged(202, id, { "retry-after": "30" })] }));
  assert.equal(told.look_at, NOW + 30_000);
  const untold = await ordered(world({ answers: [acknowledged(201)] }));
  assert.equal(untold.look_at, NOW + 2_000);
});

test("when the network is back no order waits for a pause", async () => {
  const seen = world();
  await ordered(seen);
  seen.answers.push(acknowledged(201));
  await seen.outbox.hurry();
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("401 is sent again with a renewed sign-in, at once", async () => {
  const seen = world({ answers: [answer(401, { message: "Unauthorized" }), acknowledged(201)] });
  assert.equal((await ordered(seen)).state, "accepted");
  assert.deepEqual(seen.tokens, [false, true]);
  assert.equal(seen.sent[1].headers.authorization, "Bearer token of ada, renewed");
});

test("401 for a renewed sign-in waits for the customer and loses nothing", async () => {
  const seen = world({ answers: [answer(401, {}), answer(401, {})] });
  const entry = await ordered(seen);
  assert.deepEqual([entry.state, entry.held], ["sending", "sign-in"]);
});

test("whoever else signs in here neither sends the order nor sees it", async () => {
  const seen = world();
  await ordered(seen);
  seen.customer = "eve";
  seen.answers.push(acknowledged(201));
  await seen.after(100_000);
  assert.equal(seen.sent.length, 1);
  assert.deepEqual(await seen.outbox.entries(), []);
  assert.equal(await seen.outbox.get(id), null);
  assert.equal(await seen.outbox.othersWait(), true);
  seen.customer = ADA;
  await seen.outbox.hurry();
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("signed out, it waits", async () => {
  const seen = world({ answers: [acknowledged(201)] });
  seen.customer = null;
  await seen.outbox.keep(kept);
  await seen.outbox.wake();
  assert.deepEqual([seen.sent, seen.paid], [[], []]);
});

test("a tab that was closed in the middle is continued by the next one: paid once, sent again", async () => {
  const seen = world();
  await ordered(seen);
  const next = world({ store: seen.store, answers: [acknowledged(200)] });
  await next.after(100_000);
  assert.equal((await seen.store.get(id)).state, "accepted");
  assert.deepEqual([seen.paid.length, next.paid.length], [1, 0]);
});

test("closed before the payment was answered, the gateway is asked again for the same order", async () => {
  const seen = world({ pay: async () => { throw new TypeError("fetch failed"); } });
  assert.equal((await ordered(seen)).payment, null);
  const next = world({ store: seen.store, answers: [acknowledged(201)] });
  await next.after(100_000);
  assert.deepEqual(next.paid, [id]);
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("what was not even paid for within a day is given up, and no money is taken", async () => {
  let failures = 1;
  const paid = [];
  const pay = async (entry) => {
    if (failures-- > 0) throw new TypeError("fetch failed");
    paid.push(entry.id);
    return PAYMENT;
  };
  const seen = world({ pay });
  await ordered(seen);
  await seen.after(24 * 3_600_000 + 1);
  const entry = await seen.store.get(id);
  assert.deepEqual([entry.state, entry.violations[0].rule], ["rejected", "order_id_too_old"]);
  assert.deepEqual([paid, seen.sent], [[], []]);
});

for (const hours of [-25, 25, 24 * 400]) {
  test(`a device whose clock is ${hours} hours ahead pays and sends: an id has the service's time`, async () => {
    const seen = world({ answers: [acknowledged(201)], serviceNow: () => NOW });
    seen.now += hours * 3_600_000;
    assert.equal((await ordered(seen)).state, "accepted");
    assert.deepEqual(seen.paid, [id]);
  });
}

test("a Retry-After that is a date is one of the service's clock", async () => {
  const at = new Date(NOW + 30_000).toUTCString();
  const seen = world({ answers: [answer(503, {}, { "retry-after": at }), acknowledged(201)], serviceNow: () => NOW });
  seen.now -= 25 * 3_600_000;
  await ordered(seen);
  await seen.after(29_000);
  assert.equal(seen.sent.length, 1);
  await seen.after(10_000);
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("a clock that is set back holds nothing up", async () => {
  const seen = world({ answers: [answer(503, {}, { "retry-after": "900" }), acknowledged(201)] });
  await ordered(seen);
  await seen.after(-25 * 3_600_000);
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("what was paid for is sent however old it is: it may have arrived", async () => {
  const seen = world();
  await ordered(seen);
  seen.answers.push(acknowledged(200));
  await seen.after(72 * 3_600_000);
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("a price that has changed ends it before anything is paid or sent", async () => {
  const violations = [{ rule: "price_changed", pointer: "/total", detail: "New.", expected: 3295 }];
  const seen = world({ pay: async () => { throw new PaymentDeclined("New.", violations); } });
  const entry = await ordered(seen);
  assert.deepEqual([entry.state, entry.violations, entry.payment], ["rejected", violations, null]);
  assert.deepEqual([seen.sent, entry.release_owed], [[], false]);
});

test("a sign-in that has ended is waited for before paying", async () => {
  let signedIn = false;
  const seen = world({
    answers: [acknowledged(201)],
    pay: async () => {
      if (!signedIn) throw new SignInNeeded();
      return PAYMENT;
    },
  });
  assert.equal((await ordered(seen)).held, "sign-in");
  signedIn = true;
  await seen.outbox.hurry();
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("a declined card ends it before anything is sent", async () => {
  const seen = world({ pay: async () => { throw new PaymentDeclined("No."); } });
  const entry = await ordered(seen);
  assert.deepEqual([entry.state, entry.violations[0].rule], ["rejected", "payment_declined"]);
  assert.deepEqual([seen.sent, seen.released], [[], []]);
});

test("of two tabs one sends, and the other one takes over when it is gone", async () => {
  const locks = new Locks();
  const store = new MemoryStore();
  let answered;
  const slow = new Promise((resolve) => { answered = resolve; });
  const one = world({ store, locks, fetch: () => slow });
  const other = world({ store, locks, answers: [acknowledged(200)] });
  await one.outbox.keep(kept);
  await new Promise(setImmediate); // its request is under way
  await other.outbox.wake();
  assert.equal(other.sent.length, 0);
  locks.held.clear(); // the browser frees the locks of a tab that is closed
  await other.after(10_000);
  assert.equal((await store.get(id)).state, "accepted");
  answered(acknowledged(201));
  await one.outbox.wake();
  assert.equal((await store.get(id)).state, "accepted");
});

test("a tab that looks on does not hold up the one that is at it", async () => {
  const [locks, store] = [new Locks(), new MemoryStore()];
  let paid;
  const one = world({ store, locks, answers: [acknowledged(201)], pay: () => new Promise((resolve) => { paid = resolve; }) });
  const other = world({ store, locks });
  await one.outbox.keep(kept);
  await new Promise(setImmediate); // the gateway is asked
  await other.outbox.wake();
  paid(PAYMENT);
  await one.outbox.wake();
  assert.equal((await store.get(id)).state, "accepted");
  assert.deepEqual([one.sent.length, other.sent.length], [1, 0]);
});

test("without Web Locks two tabs both send: more requests, still one order", async () => {
  const store = new MemoryStore();
  const one = world({ store, answers: [acknowledged(201)] });
  const other = world({ store, answers: [acknowledged(200)] });
  await one.outbox.keep(kept);
  await Promise.all([one.outbox.wake(), other.outbox.wake()]);
  const bodies = [...one.sent, ...other.sent].map(({ url }) => url);
  assert.deepEqual([...new Set(bodies)], [`/api/orders/${id}`]);
});

test("what is sent can't be forgotten before it is answered", async () => {
  const seen = world();
  await ordered(seen);
  await seen.outbox.forget(id);
  assert.ok(await seen.store.get(id));
  seen.answers.push(acknowledged(201));
  await seen.outbox.hurry();
  await seen.outbox.forget(id);
  assert.equal(await seen.store.get(id), null);
});

test("every listener is called, in this tab and in the others", async () => {
  const messages = [];
  const channel = { postMessage: (message) => messages.push(message) };
  const seen = world({ answers: [acknowledged(201)], channel });
  let calls = 0;
  const stop = seen.outbox.subscribe(() => { calls += 1; });
  await ordered(seen);
  assert.ok(calls >= 3 && messages.length === calls);
  stop();
  const before = calls;
  channel.onmessage();
  assert.equal(calls, before);
});

test("a storage that fails for a while stops nothing for good", async () => {
  const seen = world({ answers: [acknowledged(201)] });
  await seen.store.add({ ...kept, payment: PAYMENT, state: "sending", next_at: 0, tries: 0 });
  const all = seen.store.all;
  seen.store.all = async () => { throw new Error("blocked"); };
  await seen.outbox.wake();
  seen.store.all = all;
  await seen.outbox.wake();
  assert.equal((await seen.store.get(id)).state, "accepted");
});

test("a verdict needs the service's own word", () => {
  const problem = { violations: [] };
  assert.equal(verdict({ status: 201, type: "", body: { order_id: id } }, id), "accepted");
  assert.equal(verdict({ status: 204, type: "", body: null }, id), "unknown");
  assert.equal(verdict({ status: 422, type: "text/html", body: problem }, id), "unknown");
  assert.equal(verdict({ status: 422, type: PROBLEM, body: null }, id), "unknown");
  assert.equal(verdict({ status: 422, type: PROBLEM, body: problem }, id), "rejected");
  assert.equal(verdict({ status: 503, type: PROBLEM, body: problem }, id), "unknown");
});

/** As much of IndexedDB as the store uses. Each connection can be closed by the browser. */
function browserStorage() {
  const orders = new Map();
  const connections = [];
  const done = (read) => {
    const request = {};
    queueMicrotask(() => { request.result = read(); request.onsuccess?.(); });
    return request;
  };
  const open = () => {
    const connection = {
      close() { this.closed = true; },
      transaction() {
        if (this.closed) throw new DOMException("The database connection is closing.", "InvalidStateError");
        const transaction = {
          objectStore: () => ({
            get: (key) => done(() => structuredClone(orders.get(key))),
            getAll: () => done(() => structuredClone([...orders.values()])),
            add: (entry) => orders.set(entry.id, structuredClone(entry)),
            put: (entry) => orders.set(entry.id, structuredClone(entry)),
            delete: (key) => done(() => orders.delete(key)),
          }),
        };
        setTimeout(() => {
          if (!this.failing) return transaction.oncomplete();
          transaction.error = new DOMException("no more room", this.failing);
          return transaction.onabort();
        });
        return transaction;
      },
    };
    connections.push(connection);
    return done(() => connection);
  };
  return { open, connections };
}

test("a connection to the storage that the browser closed is opened again, once", async () => {
  globalThis.indexedDB = browserStorage();
  const { connections } = indexedDB;
  const seen = world({ store: await openStore(), answers: [answer(503, {}), acknowledged(201)] });
  await ordered(seen);
  connections.at(-1).close();
  assert.equal((await seen.store.get(id)).state, "sending");
  await seen.after(1_000);
  assert.equal((await seen.store.get(id)).state, "accepted");
  assert.equal(connections.length, 2);
  connections.at(-1).failing = "UnknownError"; // as Safari says of a connection that it lost
  await seen.outbox.keep({ ...kept, id: uuid7(NOW) });
  await seen.outbox.wake();
  assert.deepEqual([(await seen.store.all()).length, connections.length], [2, 3]);
});

test("a newer version of the page in another tab is not kept waiting for the storage", async () => {
  globalThis.indexedDB = browserStorage();
  await openStore();
  const [connection] = indexedDB.connections;
  connection.onversionchange();
  assert.ok(connection.closed);
});

test("that an order was rejected is to be said until the customer has seen it", async () => {
  const seen = world({ pay: async () => { throw new PaymentDeclined("No."); } });
  assert.equal((await ordered(seen)).seen, undefined);
  await seen.outbox.see(id);
  await seen.outbox.see(uuid7(NOW));
  assert.deepEqual([(await seen.store.get(id)).seen, (await seen.store.all()).length], [true, 1]);
});

for (const storage of [() => new MemoryStore(), () => { globalThis.indexedDB = browserStorage(); return openStore(); }]) {
  test("the goods of a rejected order go back once, however often that is asked for", async () => {
    const seen = world({ store: await storage(), pay: async () => { throw new PaymentDeclined("No."); } });
    await ordered(seen);
    const asked = [1, 2, 3].map(() => seen.outbox.takeBack(id));
    assert.deepEqual(await Promise.all(asked), [true, false, false]);
    assert.equal(await seen.outbox.takeBack(uuid7(NOW)), false);
  });
}

test("a storage that never answers is none", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.indexedDB = { open: () => ({}) };
  const opening = openStore();
  mock.timers.tick(5_000);
  await assert.rejects(opening);
  mock.timers.reset();
});

test("a full disk is said at once, and not tried again", async () => {
  globalThis.indexedDB = browserStorage();
  const store = await openStore();
  const [connection] = indexedDB.connections;
  connection.failing = "QuotaExceededError";
  await assert.rejects(store.add({ ...kept, state: "sending" }), { name: "QuotaExceededError" });
  assert.equal(indexedDB.connections.length, 1);
});

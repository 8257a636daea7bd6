/** Who is signed in, in however many tabs. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { SessionOfTabs, customerOf, isFinal, issuedAt } from "../../web/storefront/session.js";
import { Storage, channels } from "./storage.mjs";

const ADA = { sub: "ada", name: "Ada", trade: false };
const session = (more = {}) => (
  { access_token: "a1", refresh_token: "r1", ends_at: 1_000, customer: ADA, ...more });

/** A browser, which opens tabs. */
function browser() {
  const hint = new Storage();
  const open = channels();
  let turn = Promise.resolve();
  const locks = { request: (_, use) => { turn = turn.then(use, use); return turn; } };
  return (own = new Storage()) => {
    const channel = open();
    return Object.assign(new SessionOfTabs({ own, hint, channel, locks }), { own, channel, hint });
  };
}

test("who is signed in is so in a new tab, and the tokens are in no storage that outlives a tab", async () => {
  const tab = browser();
  const first = tab();
  first.keep(session());
  const second = tab();
  await second.join();
  assert.deepEqual(second.read(), session());
  assert.equal(first.hint.getItem("signed-in"), "1");
});

test("with no other tab left nobody is signed in, and nobody waits for an answer a second time", async () => {
  const tab = browser();
  const closed = tab();
  closed.keep(session());
  closed.channel.frozen = true;
  const next = tab();
  await next.join();
  assert.equal(next.read(), null);
  assert.equal(next.hint.getItem("signed-in"), null);
});

test("signing out ends it in every tab of this customer, and in no other's", async () => {
  const tab = browser();
  const [first, second, eves] = [tab(), tab(), tab()];
  first.keep(session());
  await second.join();
  eves.keep(session({ customer: { sub: "eve" } }));
  first.endEverywhere();
  await new Promise(setImmediate);
  assert.deepEqual([first.read(), second.read(), eves.read().customer.sub], [null, null, "eve"]);
});

test("of two tabs with one refresh token one renews, and the other takes over what it got", async () => {
  const tab = browser();
  const [first, second] = [tab(), tab()];
  const old = session();
  for (const one of [first, second]) one.own.setItem("session", JSON.stringify(old)); // a duplicated tab
  const used = [];
  const renewal = (one) => (given) => {
    used.push(given.refresh_token);
    one.keep(session({ access_token: "a2", refresh_token: "r2", ends_at: 2_000 }));
    return one.read();
  };
  const got = await Promise.all([first, second].map((one) => one.renewed(old, renewal(one))));
  assert.deepEqual(used, ["r1"]);
  assert.deepEqual(got.map(({ access_token }) => access_token), ["a2", "a2"]);
});

test("a tab that slept while another one renewed asks before it uses its old refresh token", async () => {
  const tab = browser();
  const [awake, asleep] = [tab(), tab()];
  for (const one of [awake, asleep]) one.own.setItem("session", JSON.stringify(session()));
  asleep.channel.frozen = true;
  awake.keep(session({ refresh_token: "r2", ends_at: 2_000 }));
  await new Promise(setImmediate);
  asleep.channel.frozen = false;
  const got = await asleep.renewed(session(), () => assert.fail("the old token was used"));
  assert.equal(got.refresh_token, "r2");
});

test("another customer's session is never taken over", async () => {
  const tab = browser();
  const [ada, eve] = [tab(), tab()];
  ada.keep(session());
  eve.own.setItem("session", JSON.stringify(session({ customer: { sub: "eve" } })));
  ada.keep(session({ ends_at: 9_000 }));
  await new Promise(setImmediate);
  assert.equal(eve.read().customer.sub, "eve");
});

test("a groups claim that is a text is the name of one group", () => {
  const trade = (groups) => customerOf({ sub: "ada", groups }, { groups_claim: "groups", wholesale_group: "wholesale" }).trade;
  for (const member of [["wholesale"], ["staff", "wholesale"], "wholesale"]) assert.equal(trade(member), true, member);
  for (const other of ["non-wholesale", "wholesale applicants", ["non-wholesale"], [], null, undefined, 1, {}]) {
    assert.equal(trade(other), false, String(other));
  }
});

test("a limit counts on the channels where the customer is a company", () => {
  const settings = {
    groups_claim: "groups", wholesale_group: "wholesale",
    approvals: { limit_claim: "limit", group: "approvers", companies: { wholesale: "company" } },
  };
  const ada = (claims) => customerOf({ sub: "ada", company: "acme", ...claims }, settings);
  assert.deepEqual(ada({ limit: "904" }).limits, { wholesale: 904 });
  assert.deepEqual(ada({ limit: 904 }).limits, { wholesale: 904 });
  for (const none of ["12.50", "-1", "", [904], null]) assert.deepEqual(ada({ limit: none }).limits, { wholesale: 0 }, none);
  for (const free of [{}, { limit: "904", company: "ada" }]) assert.deepEqual(ada(free).limits, {});
  assert.equal(ada({ groups: ["approvers"] }).approves, true);
  assert.equal(ada({ groups: ["others"] }).approves, false);
  const { approves, limits } = customerOf({ sub: "ada", limit: "1" }, { groups_claim: "groups", wholesale_group: "wholesale" });
  assert.deepEqual([approves, limits], [false, {}], "of a store without approvals");
});

test("what is no session is none", () => {
  const tab = browser()();
  for (const text of ["", "{", "null"]) {
    tab.own.setItem("session", text);
    assert.equal(tab.read(), null, text);
  }
});

test("only the issuer's own no ends a session", () => {
  assert.ok(isFinal({ status: 400, error: "invalid_grant" }));
  assert.ok(isFinal({ status: 401, error: "invalid_client" }));
  for (const [status, error] of [
    [429, "too_many_requests"], [429, "invalid_grant"], [400, "temporarily_unavailable"], [400, "slow_down"],
    [403, undefined], [408, undefined], [500, "server_error"], [503, undefined], [200, undefined], [400, undefined],
  ]) assert.equal(isFinal({ status, error }), false, `${status} ${error}`);
  assert.equal(isFinal(new TypeError("fetch failed")), false);
});

test("a token says when it was issued", () => {
  const jwt = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
  assert.equal(issuedAt(jwt({ iat: 1_795_428_000, name: "\u00ff\u00fe?>" })), 1_795_428_000_000);
  for (const none of [undefined, "", "x", "x.y.z", jwt({}), jwt({ iat: "soon" })]) assert.ok(Number.isNaN(issuedAt(none)), none);
});

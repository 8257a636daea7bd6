/** Two lists: the orders of a customer, or those of a company that wait for an approver. */
import { lineCount } from "./bill.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { date, money } from "./money.js";
import { listOrders } from "./orders-api.js";
import { SignInNeeded, isUnpaid } from "./outbox.js";
import { outbox } from "./shell.js";
import { customer } from "./sign-in.js";
import { badge, reasonName } from "./status.js";

/** An order waits for twelve days at most, and its id is a day old at most when it is placed. */
const WAITS_MAX_MS = 13 * 24 * 60 * 60_000;

const waiting = location.pathname === "/approvals";
const box = waiting ? null : await outbox;
let cursor = null;
let own = 0;
$("#more").onclick = more;

if (waiting && customer() && !customer().approves) {
  $("#not-approver").hidden = false;
  $("#listed").hidden = true;
} else if (customer()) {
  if (box) {
    await showOwn();
    box.subscribe(showOwn);
  }
  addEventListener("signed-out", signedOut);
  // The browser kept this page for the way back: there may be more by now.
  addEventListener("pageshow", ({ persisted }) => { if (persisted && customer()) fromTheNewest(); });
  await more();
} else {
  signedOut();
}

function signedOut() {
  $("#signed-out").hidden = false;
  $("#listed").hidden = true;
  for (const list of document.querySelectorAll(".history")) fill(list);
}

/** Orders that only this browser has so far. */
async function showOwn() {
  const entries = (await box.entries()).filter((entry) => entry.state !== "accepted").reverse();
  const arrived = entries.length < own;
  own = entries.length;
  fill($("#kept"), entries.map((entry) => row({
    order_id: entry.id, accepted_at: entry.kept_at, total: entry.total, currency: entry.currency,
    line_count: entry.order.lines.length,
    status: entry.state === "rejected" ? "rejected" : isUnpaid(entry) ? "paying" : "sending",
    reason: entry.violations[0]?.rule ?? null,
  })));
  if (arrived) await fromTheNewest();
}

async function fromTheNewest() {
  cursor = null;
  fill($("#orders"));
  await more();
}

async function more() {
  $("#more").hidden = true;
  say($("#problem"), "");
  try {
    do {
      const page = await listOrders(cursor, waiting ? 100 : 20);
      const shown = waiting ? page.orders.filter(({ status }) => status === "held") : page.orders;
      $("#orders").append(...shown.map(row));
      const listed = new Set(page.orders.map(({ order_id }) => order_id));
      for (const { id, state } of await box?.entries() ?? []) {
        if (state === "accepted" && listed.has(id)) await box.forget(id); // that the store has it is seen here
      }
      cursor = page.cursor;
      const oldest = page.orders.at(-1)?.accepted_at;
      if (waiting && Date.parse(oldest) < serviceNow() - WAITS_MAX_MS) cursor = null;
    } while (waiting && cursor);
    $("#more").textContent = "Show more";
    $("#more").hidden = cursor === null;
    $("#none").hidden = Boolean($(".history li"));
  } catch (error) {
    if (error instanceof SignInNeeded) return signedOut();
    $("#more").hidden = false;
    $("#more").textContent = "Try again";
    say($("#problem"), "The orders can't be read just now.");
  }
}

function row({ order_id, status, reason, accepted_at, total, currency, line_count, buyer, approval }) {
  const me = customer()?.sub;
  const notes = [
    reason && reasonName(reason),
    status === "held" && `until ${date(approval.expires_at)}`,
    buyer && buyer !== me && (waiting ? `by ${buyer}` : "by a colleague"),
    waiting && buyer === me && "by you: another approver decides",
  ].filter(Boolean);
  return h("li", {}, h("a", { href: `/order?id=${order_id}` },
    h("span", { class: "when" }, date(accepted_at)),
    h("span", { class: "lines quiet" }, lineCount(line_count)),
    h("span", {}, badge(status), h("span", { class: "quiet" }, ` ${notes.join(", ")}`)),
    h("span", { class: "sum" }, money(total, currency))));
}

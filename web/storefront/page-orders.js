import { $, fill, h, say } from "./dom.js";
import { date, money } from "./money.js";
import { listOrders } from "./orders-api.js";
import { SignInNeeded, isUnpaid } from "./outbox.js";
import { outbox } from "./shell.js";
import { customer } from "./sign-in.js";
import { badge, reasonName } from "./status.js";

const box = await outbox;
let cursor = null;
let own = 0;
$("#more").onclick = more;

if (customer()) {
  await showOwn();
  box?.subscribe(showOwn);
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
  for (const list of ["#kept", "#orders"]) fill($(list));
}

/** Orders that only this browser has so far. */
async function showOwn() {
  const entries = (await box?.entries() ?? []).filter((entry) => entry.state !== "accepted").reverse();
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
    const page = await listOrders(cursor);
    $("#orders").append(...page.orders.map(row));
    const listed = new Set(page.orders.map(({ order_id }) => order_id));
    for (const { id, state } of await box?.entries() ?? []) {
      if (state === "accepted" && listed.has(id)) await box.forget(id); // that the store has it is seen here
    }
    cursor = page.cursor;
    $("#more").textContent = "Show more";
    $("#more").hidden = cursor === null;
    $("#none").hidden = $("#orders").childElementCount + $("#kept").childElementCount > 0;
  } catch (error) {
    if (error instanceof SignInNeeded) return signedOut();
    $("#more").hidden = false;
    $("#more").textContent = "Try again";
    say($("#problem"), "Your orders can't be read just now.");
  }
}

function row({ order_id, status, reason, accepted_at, total, currency, line_count }) {
  return h("li", {}, h("a", { href: `/order?id=${order_id}` },
    h("span", { class: "when" }, date(accepted_at)),
    h("span", { class: "lines quiet" }, line_count === 1 ? "1 line" : `${line_count.toLocaleString()} lines`),
    h("span", {}, badge(status), reason ? h("span", { class: "quiet" }, ` ${reasonName(reason)}`) : ""),
    h("span", { class: "sum" }, money(total, currency))));
}

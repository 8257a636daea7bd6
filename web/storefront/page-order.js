/** One order, followed to its end: first in the outbox, then at the store. */
import { Basket } from "./basket.js";
import { INCLUSIVE, bill } from "./bill.js";
import { catalogue } from "./catalogue.js";
import { $, fill, h, picture, say } from "./dom.js";
import { date, money } from "./money.js";
import { Problem, SignInNeeded, cancelOrder, getOrder } from "./orders-api.js";
import { goAndSignIn, outbox } from "./shell.js";
import { customer } from "./sign-in.js";
import { badge, reasonName, statusName } from "./status.js";

const POLL_FIRST_MS = 400;
const POLL_MAX_MS = 10_000;
const LINES_SHOWN = 50;
const VIOLATIONS_SHOWN = 20;
const STEPS = {
  reserve: { done: "Set aside for you", refused: "Could not be set aside" },
  ship: { done: "Handed over for delivery", refused: "Could not be sent" },
  post: { done: "Invoiced", refused: "Could not be invoiced" },
  cancel_shipment: { done: "Delivery stopped", refused: "Had already left" },
  recall_shipment: { done: "Called back", refused: "Could not be called back" },
  release: { done: "Put back on the shelf", refused: "Could not be put back" },
  refund: { done: "Money given back", refused: "Money could not be given back" },
};

const id = new URLSearchParams(location.search).get("id") ?? "";
const [shop, box] = await Promise.all([catalogue(), outbox]);
let view = null;
let pause = POLL_FIRST_MS;
let timer;
let cancelFailed = false;

$("#number").textContent = id;
$("#cancel").onclick = cancel;
$("#sign-in").onclick = () => goAndSignIn();
if (customer()) {
  box?.subscribe(() => { pause = POLL_FIRST_MS; follow(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
  await follow();
} else {
  only("signed-out");
}

/** Ask how far it is, and again later until nothing more can happen. */
async function follow() {
  clearTimeout(timer);
  const entry = await box?.get(id);
  if (entry?.state === "sending") {
    showSending(entry);
    timer = setTimeout(follow, 1_000);
    return;
  }
  if (entry?.state === "rejected") return showRejected(entry);
  await ask(entry);
  if (view?.settled || document.hidden || !$("#nowhere").hidden || !$("#signed-out").hidden) return;
  timer = setTimeout(follow, pause);
  pause = Math.min(POLL_MAX_MS, pause * 1.5);
}

async function ask(entry) {
  try {
    view = await getOrder(id);
    show(view);
    if (entry) await box.forget(id);
  } catch (error) {
    if (error instanceof SignInNeeded) only("signed-out");
    else if (error instanceof Problem && error.status === 404 && entry) showAccepted(entry);
    else if (error instanceof Problem && [404, 422].includes(error.status)) only("nowhere");
    else if (!view) headline("accepted", "The store can't be reached just now. We keep asking.");
  }
}

function only(shown) {
  for (const part of ["signed-out", "nowhere", "order"]) $(`#${part}`).hidden = part !== shown;
}

function countryName(code) {
  return shop.countries.find(([known]) => known === code)?.[1] ?? code;
}

/** What a screen reader is told, and everybody sees. */
function headline(status, text) {
  only("order");
  say($("#status-text"), text);
  fill($("#status-badge"), badge(status));
  document.title = `${statusName(status)} · your order · Millrace`;
}

function showSending(entry) {
  const waits = {
    offline: "There is no connection just now. ",
    busy: "The store is very busy just now. ",
    "sign-in": "Your sign-in has ended: please sign in again. ",
  }[entry.held] ?? "";
  const kept = entry.held
    ? "Your order is kept in this browser and sent again by itself, also after you close this page and come back."
    : "Your order is on its way to the store.";
  headline(entry.payment ? "sending" : "paying", waits + kept);
  fill($("#details"), totalOf(entry));
  $("#cancel").hidden = true;
}

function totalOf(entry) {
  return h("dl", { class: "bill" },
    h("div", { class: "total" }, h("dt", {}, "Total"), h("dd", {}, money(entry.total, entry.currency))));
}

function showAccepted(entry) {
  headline("accepted", "The store has your order and will place it within minutes.");
  fill($("#details"), totalOf(entry));
}

function showRejected(entry) {
  clearTimeout(timer);
  const declined = entry.violations[0]?.rule === "payment_declined";
  const paid = entry.payment ? "What you paid goes back to you." : "No money was taken.";
  const reason = reasonName(entry.violations[0]?.rule);
  headline("rejected", `Nothing was ordered: ${reason}. ${paid}`);
  fill($("#details"), h("div", {},
    declined ? null : h("ul", { class: "violations" },
      entry.violations.slice(0, VIOLATIONS_SHOWN).map((violation) => h("li", {}, violation.detail))),
    h("p", {}, h("button", { type: "button", class: "primary", onclick: () => putBack(entry) }, "Put it back into the basket"))));
  $("#cancel").hidden = true;
}

async function putBack(entry) {
  const { channel, lines, purchase_order } = entry.order;
  const basket = new Basket(channel);
  basket.change({
    id: null,
    lines: lines.map(({ sku, quantity }) => ({ sku, quantity })),
    purchase_order: purchase_order ?? "",
  });
  await box.forget(id);
  location.assign(channel === "wholesale" ? "/wholesale" : "/basket");
}

function show({ status, reason, order, steps, accepted_at, cancellation }) {
  headline(status, told({ status, reason, cancellation, steps }));
  $("#cancel").hidden = Boolean(cancellation) || !["accepted", "confirmed"].includes(status);
  fill($("#details"),
    h("div", {},
      h("ol", { class: "steps" }, step("Accepted", accepted_at), steps.map(({ step: name, outcome, at, reason: why }) =>
        step(STEPS[name][outcome], at, why))),
      goods(order)),
    h("aside", { class: "panel", "aria-label": "Total and address" },
      bill({ ...order, subtotal: subtotalOf(order), discounts: order.discounts ?? [] }, order.currency,
        { taxNote: order.channel === "retail" ? INCLUSIVE : "" }),
      order.purchase_order ? h("p", {}, `Your purchase order: ${order.purchase_order}`) : null,
      h("address", {}, [order.address.name, ...order.address.lines, `${order.address.postal_code} ${order.address.city}`, countryName(order.address.country)]
        .map((text) => h("span", {}, text)))));
}

function subtotalOf(order) {
  return order.lines.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
}

function step(text, at, why) {
  return h("li", {}, h("span", {}, why ? `${text}: ${reasonName(why)}` : text), h("time", { datetime: at }, date(at)));
}

function told({ status, reason, cancellation, steps }) {
  const tooLate = cancellation?.outcome === "refused" ? " It was too late to cancel: it had already left." : "";
  const failed = cancelFailed ? " Your cancellation did not reach the store: please try again." : "";
  const refunded = steps.some(({ step: name }) => name === "refund");
  return {
    accepted: cancellation ? "We are trying to cancel it." : "We have your order and are getting it ready. You can leave this page.",
    confirmed: `It is set aside, handed over and invoiced.${tooLate}`,
    rejecting: `We can't fulfil it: ${reasonName(reason)}. It is being undone, and your money goes back.`,
    rejected: `We could not fulfil it: ${reasonName(reason)}. ${refunded ? "Your money was given back." : ""}`,
    cancelling: "It is being cancelled, and your money goes back.",
    cancelled: "It was cancelled, and your money was given back.",
  }[status] + failed;
}

function goods(order) {
  const shown = order.lines.slice(0, LINES_SHOWN);
  const rest = order.lines.length - shown.length;
  return h("div", {},
    h("ul", { class: "ordered" }, shown.map((line) => {
      const good = shop.bySku.get(line.sku);
      return h("li", {},
        good ? picture(good) : h("span", { class: "picture" }),
        h("span", { class: "what" }, good?.name ?? line.sku),
        h("span", { class: "quiet" }, `${line.quantity} × ${money(line.unit_price, order.currency)}`));
    })),
    rest ? h("p", { class: "quiet" }, `and ${rest.toLocaleString()} more lines`) : null);
}

async function cancel() {
  const button = $("#cancel");
  button.disabled = true;
  cancelFailed = false;
  say($("#status-text"), "Asking the store to cancel it.");
  try {
    await cancelOrder(id);
  } catch (error) {
    // A rejected order needs no cancelling: the next look says so.
    cancelFailed = error.rule !== "order_rejected";
  }
  button.disabled = false;
  pause = POLL_FIRST_MS;
  view = null;
  await follow();
}

/** One order, followed to its end: first in the outbox, then at the store. */
import { envelope } from "./address.js";
import { Basket } from "./basket.js";
import { bill, folded, lineCount } from "./bill.js";
import { addressFormats, catalogue, countryName } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { written } from "./csv.js";
import { $, fill, h, picture, say } from "./dom.js";
import { keepAddress } from "./draft.js";
import { date, money } from "./money.js";
import { Problem, cancelOrder, decide, getOrder } from "./orders-api.js";
import { LOOK_FIRST_MS, SignInNeeded, isUnpaid } from "./outbox.js";
import { announce, outbox } from "./shell.js";
import { customer } from "./sign-in.js";
import { badge, fieldName, reasonName, statusName, unreached } from "./status.js";
import { couponProblem } from "./sums.js";

const LOOK_MAX_MS = 5 * 60_000;
/** Then an order is shown without names and pictures, and they follow. */
const CATALOGUE_WAIT_MS = 1_000;
const LINES_SHOWN = 50;
const LOST = "Your request may not have reached the store: please try again. ";
const VIOLATIONS_SHOWN = 20;
const STEPS = {
  reserve: { done: "Reserved for you", refused: "Could not be reserved" },
  ship: { done: "Handed over for delivery", refused: "Could not be shipped" },
  post: { done: "Invoiced", refused: "Could not be invoiced" },
  cancel_shipment: { done: "Delivery stopped", refused: "Had already left" },
  recall_shipment: { done: "Called back", refused: "Could not be called back" },
  release: { done: "Put back in stock", refused: "Could not be put back in stock" },
  refund: { done: "Refunded", refused: "Could not be refunded" },
};
const TOLD = { shipped_at: "Sent", delivered_at: "Delivered", returned_at: "Came back" };

/** As it is in a link, or was copied from a letter. */
const id = (new URLSearchParams(location.search).get("id") ?? "").trim().toLowerCase();
const IS_ID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;
const box = await outbox;
/** For names and pictures alone: an order can be followed without them. */
let shop = null;
/** For the order of an address's lines, in the same way. */
let formats = {};
let view = null;
/** When the store last said how far it is, ms. */
let heardAt = 0;
/** Shows again what is shown. */
let showAgain = null;
/** ms: the order is not worth a look before; each costs the store about half an order. */
let lookAt = 0;
let pause = LOOK_FIRST_MS;
let timer;
/** What became of a request of this page's, where the order does not show it. */
let failed = "";

/** What can be asked of the store, by the names of the buttons. */
const REQUESTS = {
  cancel: {
    send: () => cancelOrder(id),
    sure: ["Cancel", "This can't be undone.", "Yes, cancel it", "Keep it"],
  },
  release: {
    send: () => decide(id, "released"),
    sure: ["Release", "It is then sent.", "Yes, release it", "Not now"],
  },
  refuse: {
    send: () => decide(id, "refused"),
    sure: ["Refuse", "This can't be undone.", "Yes, refuse it", "Not now"],
  },
};
for (const button of requestButtons()) button.onclick = () => makeSure(button.id);

$("#number").textContent = id;
$("#sure").addEventListener("close", ({ target }) => { if (target.returnValue in REQUESTS) request(target.returnValue); });
const loading = Promise.all([
  catalogue().then((found) => { shop = found; }, () => {}),
  addressFormats().then((found) => { formats = found; }),
]);
if (!IS_ID.test(id)) {
  only("nowhere");
} else if (customer()) {
  await Promise.race([loading, new Promise((wake) => setTimeout(wake, CATALOGUE_WAIT_MS))]);
  box?.subscribe(follow);
  addEventListener("signed-out", () => { only("signed-out"); fill($("#details")); $("#sure").close(); });
  addEventListener("online", () => { lookAt = 0; follow(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
  await follow();
  loading.then(() => showAgain?.());
} else {
  only("signed-out");
}

/** Ask how far it is when that is worth it, until nothing more can happen. */
async function follow() {
  clearTimeout(timer);
  const entry = await box?.get(id);
  if (entry?.state === "sending") {
    showSending(entry);
    timer = setTimeout(follow, 1_000);
    return;
  }
  if (entry?.state === "rejected") return showRejected(entry);
  lookAt = Math.max(lookAt, entry?.look_at ?? 0);
  if (lookAt <= Date.now()) await ask(entry);
  else if (!view && entry) showAccepted(entry, "The store has your order.");
  if (view?.settled || document.hidden || !$("#nowhere").hidden || !$("#signed-out").hidden) return;
  clearTimeout(timer); // of a change of the outbox meanwhile
  timer = setTimeout(follow, lookAt - Date.now());
}

/** The next look is when the store says; where it does not, twice as far off as the last one. */
function lookAfter(askedMs) {
  pause = Math.min(LOOK_MAX_MS, askedMs || 2 * pause);
  lookAt = Date.now() + pause;
}

async function ask(entry) {
  try {
    const { body, lookAgainMs } = await getOrder(id);
    lookAfter(lookAgainMs);
    view = body;
    heardAt = Date.now();
    show(view);
    if (entry) await box.forget(id);
  } catch (error) {
    lookAfter(0);
    if (error instanceof SignInNeeded) only("signed-out");
    else if (error instanceof Problem && error.status === 404 && entry) {
      showAccepted(entry, "The store has your order and will place it within minutes.");
    } else if (error.rule && [404, 422].includes(error.status)) only("nowhere"); // not a gateway's 404
    else showUnheard(entry);
  }
}

/** Nobody has confirmed more than was heard before. */
function showUnheard(entry) {
  const text = `${unreached()} We keep asking.`;
  if (view) tell(`As of ${date(heardAt)}: ${statusName(view.status).toLowerCase()}. ${text}`);
  else if (entry) showAccepted(entry, `The store has your order. ${text}`);
  else headline("unknown", text);
}

function only(shown) {
  for (const part of ["signed-out", "nowhere", "order"]) $(`#${part}`).hidden = part !== shown;
}

/** The status, which a screen reader reads out when it changes. */
function headline(status, text) {
  only("order");
  tell(text);
  fill($("#status-badge"), badge(status));
  document.title = `${statusName(status)} · your order · Millrace`;
}

function tell(text) {
  say($("#status-text"), failed + text);
}

function showSending(entry) {
  const waits = {
    offline: `${unreached()} `,
    busy: "The store is very busy just now. ",
    "sign-in": "Your sign-in has ended: please sign in again. ",
  }[entry.held] ?? "";
  const kept = entry.held
    ? "We keep your order in this browser and send it again, also after you close this page and come back."
    : "Your order is on its way to the store.";
  headline(isUnpaid(entry) ? "paying" : "sending", waits + kept);
  showAgain = () => showSent(entry);
  showSent(entry);
  offer([]);
}

function showAccepted(entry, text) {
  headline("accepted", text);
  showSent(entry);
}

/** What this browser knows of it: not the goods any more once the store has it. */
function showSent({ order, total, currency }) {
  fill($("#details"), h("div", {}, order && ordered(order), h("dl", { class: "bill" },
    h("div", { class: "total" }, h("dt", {}, "Total"), h("dd", {}, money(total, currency))))));
}

function showRejected(entry) {
  showAgain = () => showRejected(entry);
  box.see(entry.id);
  const [first] = entry.violations;
  const declined = first?.rule === "payment_declined";
  headline("rejected", `We couldn't take this order: ${reasonName(first?.rule, first?.pointer)}. ${moneyOf(entry)}`);
  fill($("#details"), h("div", {},
    !declined && h("ul", { class: "violations" },
      entry.violations.slice(0, VIOLATIONS_SHOWN).map((violation) => h("li", {}, explained(violation, entry.order)))),
    h("p", {}, h("button", { type: "button", class: "primary", onclick: () => backToCheckout(entry) }, "Back to the checkout")),
    ordered(entry.order)));
  offer([]);
}

function moneyOf({ payment, release_owed, violations }) {
  if (!payment) return "No money was taken.";
  // The payment may be that of the order which is there.
  if (violations[0]?.rule === "order_id_taken") return "Please look at your orders before you order again.";
  return release_owed ? "Your payment will be refunded." : "Your payment was refunded.";
}

/** What is wrong; of a price what it was and what it is now, of a used number where it was used. */
function explained({ rule, pointer, detail, expected }, { lines, discounts = [], currency, shipping, tax, total }) {
  const [, field, index] = pointer.split("/");
  const line = field === "lines" && lines[index];
  const name = line && nameOf(line.sku);
  const discount = discounts[index];
  const [changed, before] = {
    unit_price_differs: [name, line?.unit_price],
    discount_differs: [`Coupon ${discount?.coupon}`, discount?.amount],
    shipping_differs: ["Delivery", shipping],
    tax_differs: ["Tax", tax],
    price_changed: ["Total", total],
  }[rule] ?? [];
  if (changed) return `${changed}: ${money(before, currency)} is now ${money(expected, currency)}.`;
  if (rule === "order_id_in_future") return "When you order again, we go by our own clock.";
  if (rule === "text_invalid") return `${fieldName(pointer)}: up to 200 characters, no line breaks.`;
  if (rule.startsWith("coupon_")) return `${discount?.coupon ?? "Coupon"}: ${couponProblem(rule)}`;
  const other = rule === "purchase_order_used" && /[\da-f-]{36}/.exec(detail)?.[0];
  if (other) return [detail, " ", h("a", { href: `/order?id=${other}` }, "See it")];
  return name ? `${name}: ${detail}` : detail;
}

/** To the checkout as it was filled in. */
async function backToCheckout(entry) {
  const { channel, address } = entry.order;
  if (await box.takeBack(id)) {
    new Basket(channel).putBack(entry.order, entry.violations, shop);
    keepAddress(customer().sub, address);
  }
  await box.forget(id);
  location.assign(channel === "wholesale" ? "/checkout?channel=wholesale" : "/checkout");
}

function nameOf(sku) {
  return shop?.bySku.get(sku)?.name ?? sku;
}

function show(shown) {
  const { status, order, steps, accepted_at, cancellation, settled, buyer, approval } = shown;
  showAgain = () => show(view);
  if (failed === LOST && (cancellation || approval?.by === customer()?.sub)) failed = ""; // only the answer was
  headline(status, explanation(shown));
  const mayCancel = !cancellation && !shown.returned_at && ["held", "accepted", "confirmed"].includes(status);
  if (decides(shown)) offer(["release", "refuse"]);
  else offer(mayCancel ? ["cancel"] : []);
  const { country } = order.address;
  const subtotal = order.lines.reduce((sum, line) => sum + line.quantity * line.unit_price, 0);
  fill($("#details"),
    h("div", {},
      h("ol", { class: "steps" }, step("Accepted", accepted_at),
        approval?.verdict && step(decision(approval), approval.at),
        steps.map(({ step: taken, outcome, at, reason: why }) => step(stepName(taken, outcome, order), at, why))),
      sent(shown.parcels),
      ordered(order),
      settled && h("p", {}, again(order))),
    h("aside", { class: "panel", "aria-label": "Total and address" },
      bill({ ...order, subtotal, discounts: order.discounts ?? [] }, order.currency,
        shop?.includesTax(order.channel, order.address)),
      order.purchase_order && h("p", {}, `Your purchase order: ${order.purchase_order}`),
      buyer && h("p", {}, `Placed by ${named(buyer)}.`),
      h("address", {}, envelope(order.address, formats[country], countryName(country))
        .map((text) => h("span", {}, text)))));
}

/** The store knows a person by the token's `sub` alone. */
const named = (person) => (person === customer()?.sub ? "you" : `your colleague ${person}`);

const decides = ({ status, buyer }) => status === "held" && customer()?.approves && buyer !== customer().sub;

function decision({ verdict, by }) {
  return verdict === "expired" ? "Nobody approved it in time" : `${verdict === "released" ? "Released" : "Refused"} by ${named(by)}`;
}

/** What fulfilment has told of each parcel. */
function sent(parcels = []) {
  return parcels[0] && h("ul", { class: "parcels", "aria-label": "Parcels" }, parcels.map((told) => h("li", {},
    h("p", { class: "strong" }, "Parcel ", h("bdi", {}, told.parcel), told.carrier && [", ", h("bdi", {}, told.carrier)],
      told.tracking_number && [" ", h("bdi", { class: "code" }, told.tracking_number)]),
    h("ol", { class: "steps" }, Object.entries(TOLD).map(([at, name]) => told[at] && step(name, told[at]))))));
}

function stepName(taken, outcome, order) {
  return taken === "refund" && !isPaid(order) ? "Nothing to refund" : STEPS[taken][outcome];
}

/** Of one on terms nothing was taken yet. */
const isPaid = ({ payment }) => payment && !payment.terms;

function step(text, at, why) {
  return h("li", {}, h("span", {}, why ? `${text}: ${reasonName(why)}` : text), h("time", { datetime: at }, date(at)));
}

/** Who is waited for until when, and why it is not the reader. */
function waiting(shown) {
  const { buyer, approval } = shown;
  const until = date(approval.expires_at);
  if (Date.parse(approval.expires_at) < serviceNow()) return `Nobody approved it until ${until}: it will be refused.`;
  if (decides(shown)) return `It is above its buyer's limit. Please release or refuse it by ${until}: then it is refused.`;
  const own = buyer === customer()?.sub;
  const who = own && customer().approves ? "another approver, because it is yours" : "an approver";
  return `It is above ${own ? "your" : "its buyer's"} limit, and waits until ${until} for ${who}. Then it is refused.`;
}

/** Of a confirmed order: there may be more parcels than were told of. */
function whereabouts({ parcels, returned_at, steps, order }) {
  if (returned_at) {
    const refund = steps.some(({ step: taken }) => taken === "refund") ? "was" : "will be";
    return `It came back on ${date(returned_at)}${isPaid(order) ? `, and your payment ${refund} refunded` : ""}.`;
  }
  const ended = parcels?.every((told) => told.delivered_at || told.returned_at);
  const back = parcels?.some((told) => told.returned_at) ? " or come back" : "";
  return `${ended ? `All that was sent so far has been delivered${back}` : "Your order is on its way"}. The invoice has been issued.`;
}

function explanation(shown) {
  const { status, reason, cancellation, order } = shown;
  const paid = isPaid(order);
  const tooLate = cancellation?.outcome === "refused" ? " It was too late to cancel: it had already left." : "";
  return {
    held: status === "held" && waiting(shown),
    accepted: cancellation ? "We are trying to cancel it." : "We have your order and are getting it ready. You can leave this page.",
    confirmed: whereabouts(shown) + tooLate,
    rejecting: `We can't fulfil it: ${reasonName(reason)}. We are undoing it${paid ? " and will refund your payment" : ""}.`,
    rejected: `We could not fulfil it: ${reasonName(reason)}.${paid ? " Your payment was refunded." : ""}`,
    // Fulfilment may have got it already, and decides whether it is too late.
    cancelling: cancellation?.outcome === "pending"
      ? `We are trying to cancel it. If it has not left yet, ${paid ? "your payment will be refunded" : "it will be cancelled"}.`
      : `We are cancelling it${paid ? " and will refund your payment" : ""}.`,
    cancelled: `It was cancelled${paid ? ", and your payment was refunded" : ""}.`,
  }[status];
}

function ordered(order) {
  return order.channel === "wholesale" ? table(order) : goods(order);
}

function goods(order) {
  return h("div", {}, ...folded(order.lines, LINES_SHOWN, (line) => {
    const good = shop?.bySku.get(line.sku);
    return h("li", {},
      picture(good),
      h("span", { class: "what" }, nameOf(line.sku)),
      h("span", { class: "quiet" }, `${line.quantity.toLocaleString()} × ${money(line.unit_price, order.currency)}`));
  }));
}

/** All lines, by the sku: a buyer compares them with their own list. */
function table({ lines, currency }) {
  const copy = async () => {
    const rows = [["Item", "Name", "Quantity"], ...lines.map(({ sku, quantity }) => [sku, nameOf(sku), String(quantity)])];
    try {
      await navigator.clipboard.writeText(rows.map((cells) => written(cells, "\t")).join("\n"));
      announce("The lines are copied. Paste them into a spreadsheet.");
    } catch {
      announce("This browser does not let us copy. Select the lines in the table and copy them.");
    }
  };
  const head = (text, kind) => h("th", { scope: "col", class: kind }, text);
  return h("div", {},
    h("p", { class: "actions" }, h("span", {}, lineCount(lines.length)),
      h("button", { type: "button", class: "quiet", onclick: copy }, "Copy the lines")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Lines" }, h("table", { class: "sheet" },
      h("thead", {}, h("tr", {}, head("Item", "spare"), head("Name"), head("Each", "number spare"), head("Quantity", "number"), head("Sum", "number"))),
      h("tbody", {}, lines.map(({ sku, quantity, unit_price }) => h("tr", {},
        h("td", { class: "spare" }, sku),
        h("td", {}, nameOf(sku), h("span", { class: "sku quiet" }, sku)),
        h("td", { class: "number spare" }, money(unit_price, currency)),
        h("td", { class: "number" }, quantity.toLocaleString()),
        h("td", { class: "number sum" }, money(quantity * unit_price, currency))))))));
}

/** The same goods into a new order, at today's prices; a buyer's as a list that they took again. */
function again(order) {
  return h("button", { type: "button", onclick: () => {
    if (order.channel === "wholesale") return location.assign(`/wholesale?again=${id}`);
    new Basket("retail").putBack({ ...order, discounts: [] }, [], shop);
    location.assign("/basket");
  } }, "Order again");
}

function requestButtons() {
  return Object.keys(REQUESTS).map((name) => $(`#${name}`));
}

/** @param {string[]} names the requests that may be made now */
function offer(names) {
  for (const button of requestButtons()) button.hidden = !names.includes(button.id);
}

function makeSure(name) {
  const { order, buyer } = view;
  const [what, consequence, yes, no] = REQUESTS[name].sure;
  const whose = name === "cancel" ? "" : `, placed by ${named(buyer)}`;
  const refund = isPaid(order) && name !== "release" ? `${whose ? "Their" : "Your"} payment will be refunded. ` : "";
  say($("#sure-text"), `${what} this order of ${money(order.total, order.currency)}${whose}? ${refund}${consequence}`);
  say($("#yes"), yes);
  say($("#no"), no);
  $("#yes").value = name;
  $("#yes").className = name === "release" ? "primary" : "danger";
  $("#sure").returnValue = ""; // of the last time: Escape leaves it as it is
  $("#sure").showModal();
}

async function request(name) {
  for (const button of requestButtons()) button.disabled = true;
  failed = "";
  tell("Asking the store.");
  $("#status-text").focus(); // where the answer will be: on a phone it is out of sight
  try {
    const { lookAgainMs } = await REQUESTS[name].send();
    if (name === "cancel") lookAfter(lookAgainMs);
    else lookAt = 0; // a decision is on record at once
    offer([]);
  } catch (error) {
    // Of a rejected order that is to be cancelled the next look says so.
    if (error.rule !== "order_rejected") failed = error.rule ? `Not possible: ${reasonName(error.rule)}. ` : LOST;
    lookAt = 0;
  }
  for (const button of requestButtons()) button.disabled = false;
  view = { ...view, settled: false };
  await follow();
}

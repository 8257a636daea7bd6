/**
 * Checkout, of either basket. When "pay" is pressed this page only stores the order. The outbox then
 * pays and sends it, on whatever page the customer is next.
 */
import { AddressForm, checkText } from "./address-form.js";
import { Basket } from "./basket.js";
import { bill, folded, lineCount, pieceCosts, priceChanged } from "./bill.js";
import { addressFormats, catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, complain, fill, h, picture, say } from "./dom.js";
import { dropDraft, keepDraft, readDraft } from "./draft.js";
import { money } from "./money.js";
import { listOrders } from "./orders-api.js";
import { METHODS } from "./payment.js";
import { currency, isTrade, needed, offerCurrencies, outbox, speakAlone } from "./shell.js";
import { customer } from "./sign-in.js";
import { reasonName, unreached } from "./status.js";
import { Summary } from "./summary.js";
import { normalised } from "./text.js";

/** The rest of a long order is folded away. */
const LINES_SHOWN = 8;
/** Mostly the store has answered by then. */
const KEPT_SHOWN_AFTER_MS = 3_000;

const channel = new URLSearchParams(location.search).get("channel") === "wholesale"
  ? "wholesale" : "retail";
const basket = new Basket(channel);
const form = $("#checkout");
const [shop, box, formats] = await Promise.all([needed(catalogue), outbox, addressFormats()]);
offerCurrencies(shop.currencies(channel));
const addressForm = new AddressForm($("#address"), shop.countries, formats);
const summary = new Summary(basket, () => addressForm.place, showSums);
/** The order but for the address, and what its id was made for: what was last shown. */
let shown = null;
/** The order that was pressed and has no answer yet. */
let pressed = null;

prepare();
await show();
addEventListener("storage", show);
addEventListener("clock", show); // the order's id has the time
if (customer()) listOrders(null, 1).catch(() => {}); // what the time is, and whether we still may

function prepare() {
  fill($("#methods"), METHODS.map(({ id, label }, index) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "method", value: id, checked: index === 0 }), label)));
  $("#purchase-order-field").hidden = channel === "retail";
  $("#purchase_order").value = basket.read().purchase_order;
  $("#back").href = channel === "wholesale" ? "/wholesale" : "/basket";
  addressForm.restore(readDraft(customer()?.sub));
  form.addEventListener("submit", order);
  form.addEventListener("input", ({ target }) => {
    complain(target, null);
    say($("#failed"), "");
    keepDraft(customer()?.sub, addressForm.values);
    if (target.id === "purchase_order") basket.change({ purchase_order: target.value });
  });
  form.addEventListener("change", ({ target }) => {
    if (!["country", "state"].includes(target.id)) return;
    keepDraft(customer()?.sub, addressForm.values); // the fields are another country's only now
    add(); // what delivery to there costs, and the tax
  });
}

/** Nothing is paid until it is added up: a quote takes a while. */
function add() {
  shown = null;
  $("#pay").disabled = true;
  return summary.update();
}

async function show() {
  if (pressed) return;
  const { lines } = basket;
  const may = channel === "retail" || isTrade();
  $("#empty").hidden = lines.length > 0;
  $("#signed-out").hidden = !lines.length || Boolean(customer());
  $("#not-trade").hidden = !lines.length || !customer() || may;
  $("#no-storage").hidden = Boolean(box);
  $("#form-and-sums").hidden = !lines.length || !customer() || !may;
  if (lines.length) await add();
}

function showSums(sums, sure) {
  fill($("#goods"), goods(sums.lines));
  fill($("#sums"), bill(sums, currency(), shop.includesTax(channel, addressForm.place)));
  say($("#problem"), sums.problem ?? "");
  const limit = customer()?.limits?.[channel];
  say($("#above-limit"), sums.total > limit
    ? `It is above your limit of ${money(limit, currency())}, and will wait for an approver of your company. If nobody releases it, your payment is refunded.` : "");
  const { ordered: lines, discounts, shipping, tax, total, prices } = sums;
  const can = Boolean(box) && sure && !sums.problem;
  // The price that counts is that of the time in the id, which is therefore made with the sum.
  const sum = `${currency()} ${total} ${prices}`;
  if (can) basket.orderId(serviceNow(), sum);
  shown = can ? { sum, content: { channel, currency: currency(), lines, discounts, shipping, tax, total } } : null;
  $("#payment").hidden = total === 0;
  $("#pay").textContent = total ? `Pay ${money(total, currency())} and order` : "Order";
  $("#pay").disabled = !can;
}

function goods(lines) {
  const open = $("#goods details")?.open
    ?? lines.slice(LINES_SHOWN).some(({ problem, before }) => problem || before !== null);
  return [h("p", { class: "quiet" }, lineCount(lines.length)), folded(lines, LINES_SHOWN, line, open)].flat();
}

function line(shown) {
  const { name, good, quantity, unit_price, problem } = shown;
  return h("li", { class: problem ? "gone" : null },
    picture(good),
    h("div", { class: "what" },
      h("span", {}, name),
      problem ? h("p", { class: "problem" }, `${problem} It is not part of this order.`)
        : h("p", { class: "quiet" }, `${quantity.toLocaleString()} × `, pieceCosts(shown, currency())),
      priceChanged(shown)),
    h("span", { class: "sum" }, problem ? "" : money(quantity * unit_price, currency())));
}

async function order(event) {
  event.preventDefault();
  const right = checked() && summary.isComplete();
  const who = customer();
  if (!who || !basket.lines.length) return show(); // the browser's storage was cleared meanwhile
  // Disabled: the first press is about to lead to the order's page, and a second would start anew.
  if (!right || !shown || $("#pay").disabled) return;
  $("#pay").disabled = true;
  // The same, unless it has grown too old meanwhile.
  const id = basket.orderId(serviceNow(), shown.sum);
  const content = { ...shown.content, address: addressForm.value() };
  if (channel === "wholesale") content.purchase_order = normalised($("#purchase_order").value);
  speakAlone(true);
  try {
    await box.keep({
      id, customer: who.sub, order: content, total: content.total, currency: content.currency,
      method: new FormData(form).get("method"),
    });
  } catch {
    speakAlone(false);
    $("#pay").disabled = false;
    say($("#failed"), "Your browser could not store the order, so nothing was ordered and nothing was paid."
      + " Free some space, or use another browser.");
    return;
  }
  basket.empty();
  dropDraft();
  await follow(id);
}

/**
 * To the order's page as soon as the store has answered something: were it out of reach, also with a
 * network that looks well, that would be the browser's own error page.
 */
async function follow(id) {
  pressed = id;
  say($("#pay"), "Sending your order");
  const look = async () => {
    const entry = await box.get(id);
    if (!pressed) return;
    if (entry?.state === "sending" && (!entry.held || entry.held === "offline")) {
      if (entry.held) showKept(unreached());
      return;
    }
    pressed = null;
    stop();
    clearTimeout(slow);
    // A declined card is tried again at once; what was paid goes back on the order's page.
    if (entry?.state === "rejected" && !entry.payment) await again(entry);
    else location.assign(`/order?id=${id}`);
  };
  const stop = box.subscribe(look);
  const slow = setTimeout(() => showKept(navigator.onLine ? "The store takes longer than usual." : unreached()),
    KEPT_SHOWN_AFTER_MS);
  await look();
}

/** It stays here: see `follow`. */
function showKept(why) {
  say($("#kept-why"), why);
  $("#form-and-sums").hidden = true;
  $("#kept").hidden = false;
}

async function again(entry) {
  const [{ rule, pointer }] = entry.violations;
  if (await box.takeBack(entry.id)) basket.putBack(entry.order, entry.violations, shop);
  keepDraft(customer()?.sub, addressForm.values);
  speakAlone(false);
  await box.forget(entry.id);
  $("#kept").hidden = true;
  await show();
  say($("#failed"), `We couldn't take this order: ${reasonName(rule, pointer)}. No money was taken.`);
  $("#pay").focus();
}

/** Whether everything is filled in as it should be; else each field says what is wrong with it. */
function checked() {
  const addressIsRight = addressForm.check();
  if (channel === "retail") return addressIsRight;
  const number = { label: $("#purchase_order").labels[0].textContent, required: true };
  return checkText($("#purchase_order"), number) && addressIsRight;
}

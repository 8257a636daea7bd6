/**
 * Checkout, of either basket. When "pay" is pressed this page only stores the order. The outbox then
 * pays and sends it, on whatever page the customer is next.
 */
import { AddressForm, addressFormats, checkText, complain } from "./address-form.js";
import { Basket } from "./basket.js";
import { bill } from "./bill.js";
import { catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, fill, h } from "./dom.js";
import { money } from "./money.js";
import { listOrders } from "./orders-api.js";
import { METHODS } from "./payment.js";
import { announce, currency, isTrade, outbox } from "./shell.js";
import { customer } from "./sign-in.js";
import { normalised } from "./text.js";

const channel = new URLSearchParams(location.search).get("channel") === "wholesale"
  ? "wholesale" : "retail";
const basket = new Basket(channel);
const form = $("#checkout");
const [shop, box, formats] = await Promise.all([catalogue(), outbox, addressFormats()]);
const addressForm = new AddressForm($("#address"), shop.countries, formats);
basket.keepOnly(shop.bySku);

prepare();
show();
addEventListener("storage", show);
if (customer()) listOrders(null, 1).catch(() => {}); // what the time is, and whether we still may

function prepare() {
  fill($("#methods"), METHODS.map(({ id, label }, index) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "method", value: id, checked: index === 0 }), label)));
  $("#purchase-order-field").hidden = channel === "retail";
  $("#purchase_order").value = basket.read().purchase_order;
  $("#back").href = channel === "wholesale" ? "/wholesale" : "/basket";
  form.addEventListener("submit", order);
  form.addEventListener("input", ({ target }) => complain(target, null));
}

function show() {
  const { lines, coupon } = basket.read();
  const may = channel === "retail" || isTrade();
  $("#empty").hidden = lines.length > 0;
  $("#signed-out").hidden = !lines.length || Boolean(customer());
  $("#not-trade").hidden = !lines.length || !customer() || may;
  $("#no-storage").hidden = Boolean(box);
  $("#form-and-sums").hidden = !lines.length || !customer() || !may;
  if (!lines.length) return;
  basket.orderId(serviceNow());
  const sums = shop.bill({ lines, channel, currency: currency(), coupon });
  fill($("#sums"),
    h("p", { class: "quiet" }, lines.length === 1 ? "1 line" : `${lines.length} lines`),
    bill(sums, currency(), channel));
  $("#payment").hidden = sums.total === 0;
  $("#pay").textContent = sums.total ? `Pay ${money(sums.total, currency())} and order` : "Order";
  $("#pay").disabled = !box;
}

async function order(event) {
  event.preventDefault();
  const right = checked();
  const who = customer();
  // Disabled: the first press is about to lead to the order's page, and a second would start anew.
  if (!right || !who || !basket.lines.length || $("#pay").disabled) return;
  $("#pay").disabled = true;
  const content = compose();
  try {
    const id = basket.orderId(serviceNow());
    await box.keep({
      id, customer: who.sub, order: content, total: content.total, currency: content.currency,
      method: new FormData(form).get("method"),
    });
    basket.empty();
    follow(`/order?id=${id}`);
  } catch {
    $("#pay").disabled = false;
    announce("Your browser could not store the order, so nothing was ordered and nothing was paid."
      + " Free some space, or use another browser.");
  }
}

/** To the order's page; without a connection that would be the browser's own error page. */
function follow(address) {
  if (navigator.onLine) return location.assign(address);
  $("#form-and-sums").hidden = true;
  $("#kept").hidden = false;
  addEventListener("online", () => location.assign(address), { once: true });
}

function compose() {
  const { lines, coupon } = basket.read();
  const { subtotal, ...sums } = shop.bill({ lines, channel, currency: currency(), coupon });
  const content = { channel, currency: currency(), ...sums, address: addressForm.value() };
  if (channel === "wholesale") content.purchase_order = normalised($("#purchase_order").value);
  return content;
}

/** Whether everything is filled in as it should be; else each field says what is wrong with it. */
function checked() {
  const addressIsRight = addressForm.check();
  if (channel === "retail") return addressIsRight;
  const number = { label: $("#purchase_order").labels[0].textContent, required: true };
  return checkText($("#purchase_order"), number) && addressIsRight;
}

import { Basket, QUANTITY_MAX } from "./basket.js";
import { bill } from "./bill.js";
import { catalogue } from "./catalogue.js";
import { $, fill, h, picture } from "./dom.js";
import { money } from "./money.js";
import { announce, currency } from "./shell.js";

const shop = await catalogue();
const basket = new Basket("retail");
basket.keepOnly(shop.bySku);
show();
addEventListener("storage", show);

function show() {
  const { lines, coupon } = basket.read();
  $("#empty").hidden = lines.length > 0;
  $("#filled").hidden = lines.length === 0;
  if (!lines.length) return;
  fill($("#lines"), lines.map(line));
  showSums(lines, coupon);
}

function showSums(lines, coupon) {
  const sums = shop.bill({ lines, channel: "retail", currency: currency(), coupon });
  fill($("#sums"), bill(sums, currency(), "retail"));
  $("#coupon").value = coupon ?? "";
}

function line({ sku, quantity }) {
  const good = shop.bySku.get(sku);
  const price = (count) => money(count * good.prices[currency()], currency());
  const sum = h("p", { class: "sum" }, price(quantity));
  return h("li", {},
    picture(good),
    h("div", { class: "what" },
      h("a", { href: `/product?sku=${sku}` }, good.name),
      h("p", { class: "quiet" }, `${price(1)} each`)),
    h("input", {
      type: "number", inputmode: "numeric", min: 1, max: QUANTITY_MAX, value: quantity,
      "aria-label": `Quantity of ${good.name}`,
      onchange: (event) => {
        if (!event.target.reportValidity()) return;
        basket.set(sku, event.target.valueAsNumber);
        sum.textContent = price(event.target.valueAsNumber);
        showSums(basket.lines, basket.read().coupon);
      },
    }),
    sum,
    h("button", {
      type: "button", class: "quiet remove", "aria-label": `Remove ${good.name}`,
      onclick: () => {
        basket.set(sku, 0);
        show();
        announce(`${good.name} was removed.`);
        ($("#lines a") ?? $("#empty a")).focus();
      },
    }, "Remove"));
}

$("#coupon-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = $("#coupon").value.trim().toUpperCase();
  const known = Object.hasOwn(shop.coupons, code);
  basket.change({ coupon: known ? code : null });
  show();
  if (!known && code) announce(`There is no coupon ${code}.`);
  else if (known) announce(`${shop.coupons[code]} % off with ${code}.`);
});

import { catalogue, productPage } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, picture, say } from "./dom.js";
import { money } from "./money.js";
import { currency, needed, offerCurrencies, putIn } from "./shell.js";

const shop = await needed(catalogue);
offerCurrencies(shop.currencies("retail"));
const categories = Object.entries(shop.categories);
const shown = new URLSearchParams(location.search).get("category");
const title = shop.categories[shown] ?? "Everything";

$("#grid-title").textContent = title;
if (shop.categories[shown]) {
  document.title = `${title} · Millrace`;
  $("#hero").hidden = true;
}
fill($("#categories"), categories.length > 0 && [["", "Everything"], ...categories].map(([key, name]) =>
  h("a", {
    href: key ? `/?category=${key}` : "/",
    "aria-current": (shown ?? "") === key ? "page" : null,
  }, name)));
showGoods();
addEventListener("storage", showGoods); // another currency, in another tab

function showGoods() {
  const [country] = shop.firstCountry("retail", currency());
  const from = shop.deliveryTerms("retail", country, currency())?.free_from ?? null;
  say($("#free-from"), from === null ? "" : `, free from ${money(from, currency())}`);
  const sold = shop.sold("retail", currency(), serviceNow());
  fill($("#grid"), sold.filter((good) => !shop.categories[shown] || good.category === shown).map(card));
}

function card(good) {
  return h("li", { class: "card" },
    h("a", { class: "tile", href: productPage(good.sku) },
      picture(good),
      h("span", { class: "name" }, good.name),
      h("span", { class: "price" }, money(shop.price(good, "retail", currency()), currency()))),
    h("button", {
      type: "button", class: "add", "aria-label": `Add ${good.name} to the basket`,
      onclick: () => putIn(good, 1),
    }, "Add"));
}

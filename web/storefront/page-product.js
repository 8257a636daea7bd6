import { QUANTITY_ASKED, QUANTITY_MAX } from "./basket.js";
import { catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, complain, fill, h, picture } from "./dom.js";
import { money } from "./money.js";
import { isAvailable } from "./pricing.js";
import { wholeNumber } from "./quantity.js";
import { currency, needed, offerCurrencies, putIn } from "./shell.js";

const shop = await needed(catalogue);
offerCurrencies(shop.currencies("retail"));
const good = shop.bySku.get(new URLSearchParams(location.search).get("sku"));
show();
addEventListener("storage", () => show($("#quantity")?.value)); // another currency, in another tab

function show(typed = "1") {
  const price = good && isAvailable(good, serviceNow()) ? shop.price(good, "retail", currency()) : null;
  if (price === null) {
    fill($("#product"), h("div", {}, h("h1", {}, "We don't have this"), h("p", {}, h("a", { href: "/" }, "See what we have"))));
    return;
  }
  document.title = `${good.name} · Millrace`;
  const category = shop.categories[good.category];
  const quantity = h("input", {
    id: "quantity", inputmode: "numeric", autocomplete: "off", value: typed,
    "aria-describedby": "quantity-problem", oninput: ({ target }) => complain(target, null),
  });
  fill($("#product"),
    picture(good, "large"),
    h("div", { class: "facts" },
      category && h("p", { class: "crumbs" }, h("a", { href: `/?category=${good.category}` }, category)),
      h("h1", {}, good.name),
      h("p", { class: "price" }, money(price, currency())),
      good.note && h("p", { class: "note" }, good.note),
      h("form", { class: "buy", novalidate: true, onsubmit: add },
        h("label", { for: "quantity" }, "Quantity"), quantity,
        h("button", { class: "primary" }, "Add to basket"),
        h("p", { id: "quantity-problem", class: "problem", role: "status" })),
      h("dl", { class: "terms" },
        h("dt", {}, "Item"), h("dd", {}, good.sku),
        h("dt", {}, "Delivery"), h("dd", {}, delivery()))));

  function add(event) {
    event.preventDefault();
    const number = wholeNumber(quantity.value, QUANTITY_MAX);
    if (number) return putIn(good, number);
    complain(quantity, QUANTITY_ASKED);
    return quantity.focus();
  }
}

function delivery() {
  const [[country]] = shop.countries;
  const terms = shop.deliveryTerms("retail", country, currency());
  if (!terms) return "see the checkout";
  const from = terms.free_from === null ? "" : `, free from ${money(terms.free_from, currency())}`;
  return `${terms.price ? money(terms.price, currency()) : "Free"}${from}`;
}

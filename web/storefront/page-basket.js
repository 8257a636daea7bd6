import { Basket, QUANTITY_ASKED, QUANTITY_MAX } from "./basket.js";
import { bill, pieceCosts, priceChanged } from "./bill.js";
import { catalogue, countryName, productPage } from "./catalogue.js";
import { $, fill, h, picture, say } from "./dom.js";
import { readDraft } from "./draft.js";
import { money } from "./money.js";
import { wholeNumber } from "./quantity.js";
import { currency, needed, offerCurrencies } from "./shell.js";
import { customer } from "./sign-in.js";
import { Summary } from "./summary.js";
import { STATE_MISSING } from "./sums.js";

const shop = await needed(catalogue);
offerCurrencies(shop.currencies("retail"));
const basket = new Basket("retail");
const summary = new Summary(basket, place, showSums);
let removed = null;
/** The field whose number was put right just now, which nobody may have seen yet. */
let putRight = null;
$("#go").addEventListener("click", (event) => {
  if (!putRight) return;
  event.preventDefault();
  putRight.focus();
  putRight = null;
});
show();
addEventListener("storage", show);

/**
 * Where it goes: what was last chosen at the checkout, or the first country of the price book that
 * can be paid in this currency.
 */
function place() {
  const { country, state = "" } = customer() ? readDraft(customer().sub) : {};
  const chosen = shop.countries.some(([code]) => code === country)
    && shop.deliveryTerms("retail", country, currency());
  return chosen ? { country, state } : { country: shop.firstCountry("retail", currency())[0], state: "" };
}

async function show() {
  const { lines } = basket;
  $("#empty").hidden = lines.length > 0;
  $("#filled").hidden = lines.length === 0;
  if (lines.length) await summary.update();
}

function showSums(sums) {
  const controls = () => [...$("#lines").querySelectorAll("a, input, button")];
  const focused = controls().indexOf(document.activeElement);
  fill($("#lines"), sums.lines.map(line));
  controls()[focused]?.focus();
  fill($("#sums"), bill(sums, currency(), shop.includesTax("retail", place())),
    h("p", { class: "quiet" }, `Delivery to: ${countryName(place().country)}. You can choose another country at the checkout.`,
      sums.problem === STATE_MISSING ? " Tax is added there: it depends on the state." : ""));
  // The state is chosen at the checkout.
  const problem = sums.problem === STATE_MISSING ? null : sums.problem;
  say($("#problem"), problem ?? "");
  $("#go").hidden = Boolean(problem);
}

function line(shown) {
  const { sku, quantity, name, good, unit_price, problem } = shown;
  return h("li", { class: problem ? "gone" : null },
    picture(good),
    h("div", { class: "what" },
      good ? h("a", { href: productPage(sku) }, name) : h("span", { class: "strong" }, name),
      problem ? h("p", { class: "problem" }, problem) : h("p", { class: "quiet" }, pieceCosts(shown, currency()), " each"),
      priceChanged(shown),
      h("p", { class: "problem", id: `problem-${sku}`, role: "status" })),
    problem ? h("span", {}) : h("input", {
      inputmode: "numeric", autocomplete: "off", value: quantity,
      "aria-label": `Quantity of ${name}`, "aria-describedby": `problem-${sku}`,
      onchange: (event) => changed(event.target, { sku, quantity, name }),
    }),
    h("p", { class: "sum" }, problem ? "" : money(quantity * unit_price, currency())),
    h("button", {
      type: "button", class: "quiet remove", "aria-label": `Remove ${name}`, onclick: () => remove({ sku, name }),
    }, "Remove"));
}

/** The field shows what is in the basket, whatever was typed: else something else is bought. */
async function changed(field, { sku, quantity, name }) {
  const typed = wholeNumber(field.value, QUANTITY_MAX);
  putRight = null;
  if (typed === null) {
    field.value = quantity;
    putRight = field;
    return say($(`#problem-${CSS.escape(sku)}`), `${QUANTITY_ASKED} It is ${quantity} as before.`);
  }
  await new Promise((wake) => setTimeout(wake)); // the focus moves on first, and stays there
  if (typed === 0) return remove({ sku, name });
  basket.set(sku, typed);
  await summary.update();
}

async function remove({ sku, name }) {
  removed = { lines: basket.lines, sku };
  basket.set(sku, 0);
  await show();
  fill($("#undo"), `${name} was removed. `, h("button", { type: "button", class: "quiet", onclick: undo }, "Undo"));
  $("#undo button").focus({ preventScroll: true }); // it sticks to where the page was scrolled to
}

async function undo() {
  basket.change({ lines: removed.lines });
  fill($("#undo"));
  await show();
  $(`#problem-${CSS.escape(removed.sku)}`)?.closest("li").querySelector("a, button").focus();
}

/** Quick order: a grid of lines, typed in, pasted or read from a file. */
import { Basket } from "./basket.js";
import { catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { keepAddress, readDraft } from "./draft.js";
import { money } from "./money.js";
import { getOrder } from "./orders-api.js";
import { goodOf, ordered } from "./quantity.js";
import { currency, isTrade, needed, offerCurrencies } from "./shell.js";
import { LINES_MAX } from "./sheet.js";
import { count, offerSheets, report, takeText } from "./sheet-form.js";
import { customer } from "./sign-in.js";

const shop = await needed(catalogue);
const basket = new Basket("wholesale");
const body = $("#rows");
/** By sku, and whether it can be ordered now. */
const goods = new Map();
/** The field whose number was put right just now, which nobody may have seen yet. */
let putRight = null;

$("#signed-out").hidden = Boolean(customer());
$("#not-trade").hidden = !customer() || isTrade();
const currencies = shop.currencies("wholesale");
const open = isTrade() && currencies.length > 0;
$("#not-shown").hidden = !isTrade() || open;
$("#quick-order").hidden = !open;
if (open) begin();

function begin() {
  offerCurrencies(currencies);
  for (const good of shop.goods) goods.set(good.sku, { ...good });
  offerGoods();
  $("#purchase_order").value = basket.read().purchase_order;
  $("#purchase_order").oninput = (event) => basket.change({ purchase_order: event.target.value.trim() });
  $("#add-form").addEventListener("submit", add);
  offerSheets(basket, goods, showRows);
  $("#clear").onclick = removeAll;
  $("#to-checkout").onclick = leave;
  body.addEventListener("change", changed);
  body.addEventListener("click", removed);
  addEventListener("storage", () => { offerGoods(); showRows(); }); // rows are counted off to find their lines
  showRows();
  const again = new URLSearchParams(location.search).get("again");
  if (again) orderAgain(again);
}

/** The lines of an order as if they were uploaded: what is not sold any more is left out by name. */
async function orderAgain(id) {
  history.replaceState(null, "", location.pathname); // a reload takes nothing twice
  let found;
  try {
    ({ body: found } = await getOrder(id));
  } catch {
    return report("Nothing was added", [h("p", {}, "That order can't be read just now. Open it again from your orders.")]);
  }
  const { order: { lines, purchase_order, address }, status } = found;
  const { sub } = customer();
  if (!readDraft(sub).street) keepAddress(sub, address);
  const field = $("#purchase_order");
  if (!field.value && ["rejected", "cancelled"].includes(status)) {
    field.value = purchase_order;
    basket.change({ purchase_order });
  }
  takeText(["SKU\tQuantity", ...lines.map(({ sku, quantity }) => `${sku}\t${quantity}`)].join("\n"));
}

function offerGoods() {
  const sold = new Map(shop.sold("wholesale", currency(), serviceNow()).map((good) => [good.sku, good]));
  fill($("#skus"), [...sold.values()].map((good) => h("option", { value: good.sku }, `${good.name}, case of ${good.case}`)));
  for (const good of goods.values()) good.sold = sold.has(good.sku);
}

function add(event) {
  event.preventDefault();
  const [sku, typed] = [$("#new-sku").value.trim(), $("#new-quantity").value.trim()];
  if (!sku && !typed) return $("#new-sku").focus(); // the second click of two
  const good = goodOf(sku, goods);
  const { count: quantity, problem } = good?.sold
    ? ordered(typed, good)
    : { problem: good ? `${good.sku} can't be ordered at present.` : `There is no ${sku || "such item"} in the catalogue.` };
  const full = basket.lines.length < LINES_MAX ? "" : `An order has at most ${LINES_MAX.toLocaleString("en")} lines.`;
  say($("#add-problem"), problem ?? full);
  if (problem) return $(good?.sold ? "#new-quantity" : "#new-sku").focus();
  if (full) return;
  const line = basket.lineOf(good, quantity);
  basket.change({ lines: [...basket.lines, line] });
  body.append(row(line));
  showSums();
  $("#add-form").reset();
  $("#new-sku").focus();
}

/** Nothing is ordered otherwise than it was typed without a word. */
function leave(event) {
  const typed = [$("#new-sku"), $("#new-quantity")].find(({ value }) => value.trim());
  const left = $("#add-problem").textContent ? null : typed; // else they know
  const field = putRight?.isConnected ? putRight : left;
  putRight = null;
  if (!field) return;
  event.preventDefault();
  field.focus();
  if (field === left) say($("#add-problem"), "This line is not added yet: press “Add”. To order without it, press “Go to checkout” again.");
}

function removeAll() {
  const before = basket.lines;
  basket.change({ lines: [] });
  showRows();
  report(before.length === 1 ? "The line was removed" : `All ${count(before.length, "line")} were removed`, [], { before });
}

function showRows() {
  fill(body, basket.lines.map(row));
  showSums();
}

/** `showSums` fills in the price and the sum. */
function row({ sku, quantity, name }) {
  const good = shop.bySku.get(sku);
  const problem = good ? ordered(String(quantity), good).problem : null;
  const shown = good?.name ?? name ?? sku;
  return h("tr", {},
    h("td", { class: "spare" }, sku),
    h("td", {}, shown, h("span", { class: "sku quiet" }, sku)),
    h("td", { class: "number spare" }, good?.case ?? ""),
    h("td", { class: "number spare price" }),
    h("td", {}, good ? [h("input", {
      inputmode: "numeric", autocomplete: "off", value: quantity,
      "aria-label": `Quantity of ${shown}`, "aria-invalid": problem ? "true" : null,
    }), problem && note(problem)] : "not sold any more"),
    h("td", { class: "number sum" }),
    h("td", {}, h("button", { type: "button", class: "quiet", "aria-label": `Remove ${shown}` },
      h("span", { class: "word" }, "Remove"), h("span", { class: "sign" }, "×"))));
}

/** The rows of lines; one that was removed stays until it is put back or the rows are shown anew. */
function rows() {
  return [...body.querySelectorAll("tr:not(.gone)")];
}

function indexOf(element) {
  return rows().indexOf(element.closest("tr"));
}

/** What is wrong with a quantity stays below it. */
const note = (problem, role = null) => h("p", { class: "problem", role }, problem);

/** The field shows what is in the order, whatever was typed: else something else is bought. */
function changed({ target }) {
  const lines = basket.lines;
  const line = lines[indexOf(target)];
  const { count: quantity, problem } = ordered(target.value, shop.bySku.get(line.sku));
  target.nextElementSibling?.remove();
  putRight = problem ? target : null;
  if (problem) {
    target.value = line.quantity;
    return target.after(note(`${problem} It is ${line.quantity} as before.`, "alert"));
  }
  target.removeAttribute("aria-invalid");
  target.value = quantity;
  line.quantity = quantity;
  basket.change({ lines });
  showSums();
}

function removed({ target }) {
  const button = target.closest("button"); // a mouse hits the word in it
  if (!button) return;
  const line = button.closest("tr");
  if (line.matches(".gone")) return;
  const index = indexOf(line);
  const [removed] = basket.lines.slice(index, index + 1);
  basket.change({ lines: basket.lines.filter((_, at) => at !== index) });
  const back = h("button", { type: "button", class: "quiet", onclick: () => {
    const at = rows().filter((other) => other.compareDocumentPosition(gone) & Node.DOCUMENT_POSITION_FOLLOWING).length;
    const lines = basket.lines;
    lines.splice(at, 0, removed);
    basket.change({ lines });
    const again = row(removed);
    gone.replaceWith(again);
    showSums();
    $("button", again).focus();
  } }, "Put it back");
  const gone = h("tr", { class: "gone" }, h("td", { colspan: 7 }, `${removed.quantity.toLocaleString()} × ${shop.bySku.get(removed.sku)?.name ?? removed.sku} removed. `, back));
  line.replaceWith(gone);
  $("button", rows()[index] ?? rows().at(-1) ?? gone).focus();
  showSums();
}

function showSums() {
  const lines = basket.lines;
  $("#grid").hidden = !body.childElementCount;
  if (!body.childElementCount) return;
  const [[country]] = shop.countries;
  const content = { channel: "wholesale", currency: currency(), lines, country };
  const { unit_prices, subtotal } = shop.sums(content, serviceNow());
  // A quantity on one line can change the price on another one of the same sku.
  for (const [index, row] of rows().entries()) {
    const price = unit_prices[index];
    say($(".price", row), price === null ? "–" : money(price, currency()));
    say($(".sum", row), price === null ? "–" : money(lines[index].quantity * price, currency()));
  }
  say($("#line-count"), count(lines.length, "line"));
  say($("#goods-sum"), money(subtotal, currency()));
  const limit = customer()?.limits?.wholesale;
  say($("#limit"), limit === undefined ? ""
    : `An order above ${money(limit, currency())}, with delivery and tax, waits for an approver of your company.`);
}

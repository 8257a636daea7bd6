/** Quick order: a grid of lines, typed in, pasted or read from a CSV file. */
import { Basket } from "./basket.js";
import { catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { money } from "./money.js";
import { LINES_MAX, goodOf, quantityProblem, readSheet } from "./sheet.js";
import { announce, currency, isTrade, offerCurrencies } from "./shell.js";
import { customer } from "./sign-in.js";

const ERRORS_SHOWN = 100;
const FILE_BYTES_MAX = 1_000_000;
const shop = await catalogue();
const basket = new Basket("wholesale");
const body = $("#rows");

$("#signed-out").hidden = Boolean(customer());
$("#not-trade").hidden = !customer() || isTrade();
const currencies = shop.currencies("wholesale");
const open = isTrade() && currencies.length > 0;
$("#not-shown").hidden = !isTrade() || open;
$("#quick-order").hidden = !open;
if (open) begin();

function begin() {
  offerCurrencies(currencies);
  fill($("#skus"), shop.sold("wholesale", currency(), serviceNow()).map((good) => h("option", { value: good.sku }, `${good.name}, case of ${good.case}`)));
  $("#purchase_order").value = basket.read().purchase_order;
  $("#purchase_order").oninput = (event) => basket.change({ purchase_order: event.target.value.trim() });
  $("#add-form").addEventListener("submit", add);
  $("#sheet-form").addEventListener("submit", (event) => {
    event.preventDefault();
    take($("#sheet").value);
  });
  $("#file").addEventListener("change", takeFile);
  $("#clear").onclick = () => { basket.change({ lines: [] }); showRows(); announce("All lines were removed."); };
  body.addEventListener("change", changed);
  body.addEventListener("click", removed);
  addEventListener("storage", showRows); // rows are counted off to find their lines
  showRows();
}

async function takeFile(event) {
  const [file] = event.target.files;
  if (!file) return;
  event.target.value = ""; // so that the same file, mended, can be taken again
  if (file.size > FILE_BYTES_MAX) return announce("This file is too large to be a list of an order's lines.");
  take(await file.text());
}

/** Add a sheet's good lines below those that are there, and list what is wrong with the others. */
function take(text) {
  const before = basket.lines;
  const { lines, errors } = readSheet(text, shop.bySku, LINES_MAX - before.length);
  basket.change({ lines: [...before, ...lines.map(({ sku, quantity }) => basket.lineOf(shop.bySku.get(sku), quantity))] });
  showRows();
  showErrors(errors);
  $("#sheet").value = errors.filter((error) => error.text).map((error) => error.text).join("\n");
  announce(`${count(lines.length, "line")} added${errors.length ? `, ${count(errors.length, "line")} left out: see below` : ""}.`);
}

function showErrors(errors) {
  $("#errors").hidden = errors.length === 0;
  if (!errors.length) return;
  say($("#errors-title"), `${count(errors.length, "line")} left out`);
  fill($("#errors-list"), errors.slice(0, ERRORS_SHOWN).map(({ line, text, problem }) => h("li", {},
    line ? h("strong", {}, `Line ${line}: `) : "", problem, text ? h("code", {}, text) : "")),
  errors.length > ERRORS_SHOWN ? h("li", {}, `and ${errors.length - ERRORS_SHOWN} more`) : null);
  $("#errors").focus();
}

function add(event) {
  event.preventDefault();
  const sku = $("#new-sku").value.trim();
  const good = goodOf(sku, shop.bySku);
  const quantity = $("#new-quantity").value;
  const problem = good ? quantityProblem(quantity, good) : `There is no ${sku || "such item"} in the catalogue`;
  say($("#add-problem"), problem ? `${problem}.` : "");
  if (problem) return $(good ? "#new-quantity" : "#new-sku").focus();
  const line = basket.lineOf(good, Number(quantity));
  basket.change({ lines: [...basket.lines, line] });
  body.append(row(line));
  showSums();
  $("#add-form").reset();
  $("#new-sku").focus();
}

function showRows() {
  fill(body, basket.lines.map(row));
  showSums();
}

/** `showSums` fills in the price and the sum. */
function row({ sku, quantity, name }) {
  const good = shop.bySku.get(sku);
  const problem = good ? quantityProblem(quantity, good) : null;
  const shown = good?.name ?? name ?? sku;
  return h("tr", {},
    h("td", {}, sku),
    h("td", {}, shown, h("span", { class: "sku quiet" }, sku)),
    h("td", { class: "number" }, good?.case ?? ""),
    h("td", { class: "number price" }),
    h("td", {}, good ? h("input", {
      type: "number", inputmode: "numeric", min: good.case, step: good.case, value: quantity,
      "aria-label": `Quantity of ${shown}`, "aria-invalid": problem ? "true" : null,
    }) : "not sold any more"),
    h("td", { class: "number sum" }),
    h("td", {}, h("button", { type: "button", class: "quiet", "aria-label": `Remove ${shown}` },
      h("span", { class: "word" }, "Remove"), h("span", { class: "sign" }, "×"))));
}

function indexOf(element) {
  return [...body.children].indexOf(element.closest("tr"));
}

function changed({ target }) {
  const lines = basket.lines;
  const line = lines[indexOf(target)];
  const good = shop.bySku.get(line.sku);
  const problem = quantityProblem(target.value, good);
  if (problem) {
    announce(`${good.name}: ${problem}. It is ${line.quantity} as before.`);
    target.value = line.quantity;
    return;
  }
  target.removeAttribute("aria-invalid");
  line.quantity = Number(target.value);
  basket.change({ lines });
  showSums();
}

function removed({ target }) {
  const button = target.closest("button"); // a mouse hits the word in it
  if (!button) return;
  const index = indexOf(button);
  basket.change({ lines: basket.lines.filter((_, at) => at !== index) });
  button.closest("tr").remove();
  const next = body.children[Math.min(index, body.childElementCount - 1)];
  (next ? $("button", next) : $("#new-sku")).focus();
  showSums();
}

function showSums() {
  const lines = basket.lines;
  $("#grid").hidden = lines.length === 0;
  if (!lines.length) return;
  const [[country]] = shop.countries;
  const content = { channel: "wholesale", currency: currency(), lines, country };
  const { unit_prices, subtotal } = shop.sums(content, serviceNow());
  // A quantity on one line can change the price on another one of the same sku.
  for (const [index, row] of [...body.children].entries()) {
    const price = unit_prices[index];
    say($(".price", row), price === null ? "–" : money(price, currency()));
    say($(".sum", row), price === null ? "–" : money(lines[index].quantity * price, currency()));
  }
  say($("#line-count"), count(lines.length, "line"));
  say($("#goods-sum"), money(subtotal, currency()));
}

function count(number, what) {
  return `${number.toLocaleString()} ${what}${number === 1 ? "" : "s"}`;
}

/** Takes a list from the box or from a file into the order, asks what it must, and says what it did. */
import { $, asset, fill, h, say } from "./dom.js";
import { short } from "./quantity.js";
import { LINES_MAX, hasGood, letters, many, readSheet, remainder, rolesOf, tableOf } from "./sheet.js";
import { contentOf } from "./sheet-file.js";
import { tab } from "./storage.js";

const ERRORS_SHOWN = 100;
const RANGES_SHOWN = 8;
const BOX = "sheet";
const box = $("#sheet");

/** @type {{basket: import("./basket.js").Basket, goods: Map<string, object>, show: () => void}} */
let order;
/** What was left out is in the box; as long as nobody changes it there, it is known to be that. */
let putBack = "";
/** Which columns were chosen, by the heading. */
const chosen = new Map();
const NO_WORDS = rolesOf({});
let roles = NO_WORDS;
let latest = 0;

/**
 * @param {import("./basket.js").Basket} basket
 * @param {Map<string, {sku: string, case: number, sold: boolean}>} goods
 * @param {() => void} show is called when the order's lines have changed
 */
export function offerSheets(basket, goods, show) {
  order = { basket, goods, show };
  // It outlives a reload and the way to the checkout and back, as long as the tab is open.
  box.value ||= tab.getItem(BOX) ?? "";
  addEventListener("pagehide", () => tab.setItem(BOX, box.value));
  box.addEventListener("input", tellRest);
  tellRest();
  $("#sheet-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!box.value.trim()) return box.focus(); // the second click of two
    take(() => ({ texts: [box.value] }), true);
  });
  $("#file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) take(() => contentOf(file), false);
    target.value = ""; // so that the same file, mended, can be taken again
  });
}

/** Whoever goes to the checkout should know that something is not part of the order. */
function tellRest() {
  $("#rest").hidden = !box.value.trim();
}

/** Take a list that is neither in the box nor a file. */
export const takeText = (text) => take(() => ({ texts: [text] }), false);

/** @param {boolean} [anew] asks for the columns, whatever their headings say */
async function take(open, fromBox, anew = false) {
  const mine = ++latest;
  for (const id of ["question", "taken", "errors"]) $(`#${id}`).hidden = true;
  if (roles === NO_WORDS) roles = await words();
  const content = await open();
  if (mine !== latest) return;
  if (content.refusal) return refuse(content.refusal);
  const table = content.sheets ? await oneOf(content.sheets) : tableOf(content.texts, order.goods, roles);
  if (!table) return;
  const reading = await read(table, anew);
  if (!reading) return;
  if (reading.refusal) return refuse(reading.refusal);
  if (!reading.lines.length && !reading.errors.length) return refuse("There are no lines in this list.");
  const base = fromBox && isMended(table) ? order.basket.lines : await baseFor(reading.lines);
  if (base) put(table, reading, base, fromBox, () => take(() => content, fromBox, true));
}

/** Languages' words for the columns; without a connection we ask which column is what. */
async function words() {
  try {
    return rolesOf(await (await fetch(asset("sheet-words.json"))).json());
  } catch {
    return NO_WORDS;
  }
}

/** Of a workbook's sheets, the one that has items. */
async function oneOf(sheets) {
  const tables = sheets.map((sheet) => ({ ...sheet, separator: "\t", first: "" }));
  const likely = tables.filter(({ rows }) => rows.some((row) => hasGood(row, order.goods)));
  if (likely.length < 2) return likely[0] ?? tables.find(({ rows }) => rows.length) ?? tables[0];
  return ask("Which sheet is the order?", [], likely.map((table) => [table.name, table]));
}

/** Asks until nothing can be read in two ways. */
async function read(table, anew) {
  const answers = { means: {}, anew };
  for (;;) {
    const reading = readSheet(table, order.goods, roles, answers);
    const { question } = reading;
    if (!question) return reading;
    const heading = JSON.stringify(reading.columns.heading?.cells ?? table.rows[0].cells.length);
    if (question.columns) {
      answers.columns = (!anew && chosen.get(heading)) || await askColumns(question);
      if (!answers.columns) return null;
      chosen.set(heading, answers.columns);
    } else if (question.totals) {
      answers.totals = await askTotals(question);
      if (!answers.totals) return null;
    } else {
      const meaning = await askNumber(question);
      if (!meaning) return null;
      answers.means[question.sign] = meaning;
    }
  }
}

function askColumns({ columns, item }) {
  const select = (id, preset) => h("select", { id },
    h("option", { value: "" }, "Choose a column"),
    columns.map(({ column, heading, example }) => h("option", { value: column, selected: column === preset },
      `${letters(column)}: ${heading && `${heading}, `}such as ${example}`)));
  const [items, quantities] = [select("item-column", item), select("quantity-column")];
  return ask("Which columns hold the items and the quantities?", [
    h("p", {}, "This list can be read in several ways. Nothing was added yet."),
    h("div", { class: "row" },
      h("div", { class: "field" }, h("label", { for: "item-column" }, "Items"), items),
      h("div", { class: "field" }, h("label", { for: "quantity-column" }, "Quantities"), quantities)),
  ], [["Read it like this", () => {
    const wrong = [items, quantities].find(({ value }) => !value) ?? (items.value === quantities.value ? quantities : null);
    wrong?.focus();
    return wrong ? null : { item: Number(items.value), quantity: Number(quantities.value) };
  }]]);
}

function askTotals({ row, sku, quantity, others }) {
  const more = others ? ` ${count(others, "other row")} ${others === 1 ? "is" : "are"} like it.` : "";
  return ask(`Is row ${many(row)} a sum?`, [
    h("p", {}, `Its ${many(quantity)} of ${sku} are what the rows beside it come to.${more} Nothing was added yet.`),
  ], [["Pass over such rows", "sums"], ["Order them, too", "lines"]]);
}

function askNumber({ either: [thousands, decimals], text, row, others, unit }) {
  const more = others ? ` ${count(others, "other row")} ${others === 1 ? "is" : "are"} written like this, too.` : "";
  const out = [`Leave out ${others ? "these rows" : "this row"}`, "unclear"];
  if (unit) {
    return ask(`What does “${short(unit)}” mean?`, [
      h("p", {}, `It goes with the quantity ${text} in row ${many(row)}, and can mean ${thousands} or ${decimals}.${more} Nothing was added yet.`),
    ], [[thousands, "pieces"], ...(/ of 1$/.test(decimals) ? [] : [[decimals, "cases"]]), out]);
  }
  return ask(`What does “${text}” mean?`, [
    h("p", {}, `It is a quantity in row ${many(row)}. Some countries write it for ${thousands}, others for ${decimals}.${more} Nothing was added yet.`),
  ], [[thousands, "thousands"], [decimals.includes(".") ? `${decimals}, which can't be ordered` : decimals, "decimals"], out]);
}

/** Whether a list is what was left out before, mended: below the same heading, and no longer. */
function isMended({ rows }) {
  const before = putBack.split("\n");
  return rows.length > 0 && rows[0].raw === before[0] && rows.filter(({ raw }) => raw).length <= before.length;
}

/**
 * The lines that stay: a list that is taken twice is not ordered twice unless somebody says so.
 *
 * @returns {Promise<object[] | null>}
 */
async function baseFor(lines) {
  const before = order.basket.lines;
  const skus = new Set(before.map(({ sku }) => sku));
  const known = lines.filter(({ sku }) => skus.has(sku)).length;
  if (!known) return before;
  const [all, fits] = [before.length + lines.length, Math.min(lines.length, LINES_MAX)];
  const leftOver = (number) => (number > LINES_MAX ? `, ${many(number - LINES_MAX)} left out` : "");
  const choice = await ask(`Add ${lines.length === 1 ? "this line" : `these ${count(lines.length, "line")}`}, or replace the order?`, [
    h("p", {}, `The order has ${count(before.length, "line")}. ${known === 1 ? "1 line of this list has an item that is" : `${many(known)} lines of this list have items that are`} in it already, ${many(repeated(lines, before)).replace(/^0$/, "none")} with the same quantity.`),
  ], [
    [`Add: ${count(Math.min(all, LINES_MAX), "line")} then${leftOver(all)}`, "add"],
    [`Replace: ${count(fits, "line")} then${leftOver(lines.length)}`, "replace"],
  ]);
  return choice && (choice === "add" ? order.basket.lines : []);
}

/** How many lines have an item and a quantity that a line of the order has, each counted once. */
function repeated(lines, before) {
  const pair = ({ sku, quantity }) => `${quantity} ${sku}`;
  const left = new Map();
  for (const line of before) left.set(pair(line), (left.get(pair(line)) ?? 0) + 1);
  return lines.filter((line) => {
    const rest = left.get(pair(line)) ?? 0;
    left.set(pair(line), rest - 1);
    return rest > 0;
  }).length;
}

function put(table, reading, base, fromBox, again) {
  const { basket, goods, show } = order;
  const [before, boxBefore] = [basket.lines, box.value];
  const room = Math.max(0, LINES_MAX - base.length);
  const [taken, over] = [reading.lines.slice(0, room), reading.lines.slice(room)];
  const lines = [...base, ...taken.map(({ sku, quantity }) => basket.lineOf(goods.get(sku), quantity))];
  if (!basket.change({ lines })) {
    basket.change({ lines: before });
    return refuse("Your browser can't store so many lines. Free some space, or order them in parts. Nothing was added.");
  }
  show();
  const others = fromBox || (!base.length && box.value === putBack) ? "" : box.value.trim();
  const full = `An order has at most ${many(LINES_MAX)} lines. Place this order first, then add the rest.`;
  const rest = [...reading.errors, ...over.map(({ row, raw }) => ({ row, raw, problem: full }))];
  const separator = others ? tableOf([others], goods, roles).separator : table.separator;
  putBack = [others, rest.length ? remainder(table, reading, rest, separator) : ""].filter(Boolean).join("\n");
  box.value = putBack;
  tellRest();
  const total = base.length + taken.length;
  report(`${count(taken.length, "line")} ${base.length || !before.length ? "added" : "replaced the order"}`, [
    h("p", {}, `The order has ${count(total, "line")} now.`, twice(basket.lines)),
    h("p", { class: "quiet" }, howRead(table, reading)),
  ], { before, boxBefore, again: table.rows.some(({ cells }) => cells.length > 2) && again });
  showErrors(rest);
}

/** How the list was read, with all of it that is neither in the order nor in the box. */
function howRead({ name }, { columns: { item, quantity, heading }, titles, blank, sums, unwanted, unread }) {
  const column = (at) => `column ${letters(at)}${heading?.cells[at] ? ` (“${short(heading.cells[at])}”)` : ""}`;
  return [
    `Read ${name ? `from the sheet “${name}”: ` : ""}items in ${column(item)}, quantities in ${column(quantity)}.`,
    titles.length ? ` Not read, because it is above the table: ${titles.map((title) => `“${short(title)}”`).join(", ")}.` : "",
    sums ? ` ${count(sums, "row")} with sums of others ${sums === 1 ? "was" : "were"} passed over.` : "",
    unwanted ? ` ${count(unwanted, "row")} without a quantity ${unwanted === 1 ? "was" : "were"} passed over.` : "",
    blank ? ` ${count(blank, "row")} with neither an item nor a quantity ${blank === 1 ? "was" : "were"} passed over.` : "",
    unread.length ? ` Other items are in ${unread.map(column).join(" and ")}, which ${unread.length === 1 ? "was" : "were"} not read.` : "",
  ].join("");
}

function twice(lines) {
  const counts = new Map();
  for (const { sku } of lines) counts.set(sku, (counts.get(sku) ?? 0) + 1);
  const often = [...counts].filter(([, times]) => times > 1).map(([sku]) => sku);
  return often.length ? ` ${often.length === 1 ? `${often[0]} is` : `${many(often.length)} items are`} in it more than once.` : "";
}

function refuse(text) {
  report("Nothing was added", [h("p", {}, text)]);
}

/**
 * What was done, until the next thing is. `undo` has the lines, and the box, of before, and how the
 * same list is read again.
 */
export function report(title, content, undo = null) {
  const after = undo && JSON.stringify(order.basket.lines);
  const undone = () => {
    if (JSON.stringify(order.basket.lines) !== after) return report("Nothing was undone", [h("p", {}, "The order has been changed since.")]);
    order.basket.change({ lines: undo.before });
    box.value = undo.boxBefore ?? box.value;
    tellRest();
    $("#errors").hidden = true;
    order.show();
    report("Undone", [h("p", {}, `The order has ${count(undo.before.length, "line")}, as before.`)]);
    return true;
  };
  say($("#taken-title"), title);
  fill($("#taken-body"), content, undo && h("p", { class: "actions" },
    h("button", { type: "button", onclick: undone }, "Undo"),
    undo.again && h("button", { type: "button", class: "quiet", onclick: () => undone() && undo.again() }, "Read other columns")));
  $("#taken").hidden = false;
  $("#taken").focus();
}

/** @param {{row: number, raw: string, column?: number, problem: string}[]} rows */
function showErrors(rows) {
  $("#errors").hidden = rows.length === 0;
  if (!rows.length) return;
  say($("#errors-title"), `${count(rows.length, "line")} left out`);
  say($("#errors-advice"), `${rows.length === 1 ? "It is" : "They are"} in the box above. Mend ${rows.length === 1 ? "it" : "them"} there and press “Add lines”.`);
  const alike = new Map();
  for (const row of rows) {
    const fault = `${row.column} ${row.problem}`;
    if (!alike.has(fault)) alike.set(fault, []);
    alike.get(fault).push(row);
  }
  const faults = [...alike.values()];
  const rest = faults.slice(ERRORS_SHOWN).flat().length;
  fill($("#errors-list"), faults.slice(0, ERRORS_SHOWN).map((same) => {
    const [{ column, raw, problem }] = same;
    return h("li", {},
      h("strong", {}, placesOf(same), column === undefined ? "" : `, column ${letters(column)}`, ": "),
      problem, same.length === 1 ? h("code", {}, short(raw)) : "");
  }), rest ? h("li", {}, `and ${count(rest, "line")} more`) : null);
}

/** "Row 5", "Rows 5, 7 to 9 and 300 more". */
function placesOf(rows) {
  const ranges = [];
  for (const { row } of rows) {
    const last = ranges.at(-1);
    if (last?.to === row - 1) Object.assign(last, { to: row, rows: last.rows + 1 });
    else ranges.push({ from: row, to: row, rows: 1 });
  }
  const shown = ranges.slice(0, RANGES_SHOWN);
  const rest = rows.length - shown.reduce((sum, range) => sum + range.rows, 0);
  const named = shown.map(({ from, to }) => (from === to ? many(from) : `${many(from)} to ${many(to)}`)).join(", ");
  return `Row${rows.length === 1 ? "" : "s"} ${named}${rest ? ` and ${many(rest)} more` : ""}`;
}

/**
 * @param {[string, unknown][]} choices what each button says and means; a function says it when it is
 *   pressed, and null leaves the question open
 * @returns {Promise<any>} null when the question was turned down
 */
function ask(title, content, choices) {
  say($("#question-title"), title);
  fill($("#question-body"), content);
  return new Promise((answer) => {
    const close = (value) => {
      $("#question").hidden = true;
      if (value === null) refuse("The list was not taken.");
      answer(value);
    };
    fill($("#question-choices"),
      choices.map(([name, value]) => h("button", {
        type: "button", onclick: () => {
          const said = typeof value === "function" ? value() : value;
          if (said !== null) close(said);
        },
      }, name)),
      h("button", { type: "button", class: "quiet", onclick: () => close(null) }, "Cancel"));
    $("#question").hidden = false;
    $("#question").focus();
  });
}

export function count(number, what) {
  return `${many(number)} ${what}${number === 1 ? "" : "s"}`;
}

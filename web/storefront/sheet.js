/**
 * A wholesale buyer's list, pasted or from a file: which items, and how many of each.
 *
 * Lines stay as and where they are, also when a sku comes twice: the buyer checks the delivery
 * against their own list. What can be read in two ways is a question, never a guess.
 */
import { records, written } from "./csv.js";
import { goodOf, nearestGood, ordered, plain, quantityOf, short } from "./quantity.js";

export const LINES_MAX = 2_000;
/** A catalogue with a column for quantities has many more rows than an order has lines. */
const ROWS_MAX = 20_000;
const SEPARATORS = "\t;,|，；";
/** By Excel's first line, which its own table does not show. */
const SEPARATOR_LINE = /^"?sep=(.)"?[^\r\n]*(\r\n|\r|\n|$)/i;
/** Where a text has no other line ends. */
const RARE_LINE_ENDS = /[\v\f\x85\u2028\u2029]/g;
/** Titles, dates and addresses come above a table's heading. */
const HEADING_ROWS = 50;
/** So many mistakes are looked at for what they may mean. */
const NEAREST_MAX = 100;
/** In a shorter list, a row without a quantity is a mistake. */
const FORM_ROWS_MIN = 10;
/** So many rows say what a column holds, and in which encoding. */
const LOOKED_AT = 300;
const SAMPLE_CHARACTERS = 60_000;

/**
 * @typedef {object} Row
 * @property {number} row as counted by the spreadsheet program
 * @property {string[]} cells
 * @property {string} raw
 * @property {boolean} [hidden]
 * @property {number[]} [struck] columns whose cells are struck through
 * @property {number[]} [sums] columns whose cells are sums of other rows
 */
/** @typedef {{rows: Row[], separator: string, first: string}} Table `first`: a line that names the separator */
/**
 * @typedef {object} Roles of words, as `key` has them
 * @property {Map<string, {role: "item" | "quantity" | "unit", rank: number}>} headings
 * @property {Set<string>} piece units that are one piece each
 * @property {Set<string>} case units that are several
 * @property {Set<string>} total what a row of sums is called
 */

/** @param {Record<string, Record<"item" | "quantity" | "unit" | "piece" | "case" | "total", string[]>>} words
 *   by language: sheet-words.json
 *  @returns {Roles} */
export function rolesOf(words) {
  const roles = { headings: new Map(), piece: new Set(), case: new Set(), total: new Set() };
  for (const language of Object.values(words)) {
    for (const [role, names] of Object.entries(language)) {
      for (const [rank, name] of names.entries()) roles[role]?.add(key(name)) ?? roles.headings.set(key(name), { role, rank });
    }
  }
  return roles;
}

/** Letters and digits, without accents: "Art.-Nr." and "ART NR" are the same. */
const key = (heading) => heading.normalize("NFKD").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");

/** "Menge / Qty" and "Qty (pcs)" say it twice; "Qty/case" says something else. */
function roleOf(heading, roles) {
  const [first, ...others] = heading.split(/[/|()（）[\]\n]+/).map(key).filter(Boolean).map((part) => roles.headings.get(part));
  const alike = first && others.every((other) => other?.role === first.role);
  return roles.headings.get(key(heading)) ?? (alike ? first : undefined);
}

/**
 * The table that a text is. Of several texts, which are one in several encodings, the one that says
 * most; likewise for separators. All lines have the same.
 *
 * @param {string[]} texts
 * @returns {Table}
 */
export function tableOf(texts, bySku, roles) {
  let best = null;
  for (const marked of texts) {
    const unmarked = marked.replace(/^\ufeff/, "");
    const given = /[\r\n]/.test(unmarked) ? unmarked : unmarked.replace(RARE_LINE_ENDS, "\n");
    const [first = "", named] = SEPARATOR_LINE.exec(given) ?? [];
    const text = given.slice(first.length);
    for (const separator of named ?? SEPARATORS) {
      const score = scoreOf(rowsOf(text.slice(0, SAMPLE_CHARACTERS), separator), bySku, roles);
      if (!best || score > best.score) best = { score, text, separator, first };
    }
  }
  return { rows: rowsOf(best.text, best.separator), separator: best.separator, first: best.first };
}

/** A program that took a whole line for one cell has put it in quotes. */
function rowsOf(text, separator) {
  return records(text, separator).map(({ cells, raw }, index) => {
    const [line, ...others] = cells;
    const [within, ...more] = line.includes(separator) && others.every((cell) => !plain(cell)) ? records(line, separator) : [];
    return { row: index + 1, cells: within && !more.length ? within.cells : cells, raw };
  });
}

/** Whether a row has an item anywhere. */
export const hasGood = ({ cells }, bySku) => cells.some((cell) => goodOf(cell, bySku));

/** How much of a table makes sense: its heading most, then items, then quantities. */
function scoreOf(rows, bySku, roles) {
  const some = rows.slice(0, LOOKED_AT);
  const known = some.filter((row) => hasGood(row, bySku));
  const counted = some.filter(({ cells }) => cells.length > 1 && cells.some((cell) => isNumber(cell, roles)));
  return headingOf(rows, bySku, roles).count * 1e6 + known.length * 1e3 + counted.length;
}

/** As prices are written, and hardly any quantity. */
const DECIMALS = /\d[.,]\d\d?$/;
/** A whole number, in one way at least. */
const isNumber = (cell, roles) => !Number.isNaN(quantityOf(amountOf(cell, roles).number));
const WITH_UNIT = /^(.*\p{Nd})\s*(\p{L}[\p{L}\p{N}.]*)$/u;

const wordsIn = (text) => text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
const IN = /^(in|en|em|i|w|v|по)$/i;

/** "12 pcs" in its parts; another word than those of the lists is none of a unit. */
function amountOf(cell, roles) {
  const text = plain(cell);
  const [, number, unit] = WITH_UNIT.exec(text) ?? [];
  return unit && (roles.piece.has(key(unit)) || roles.case.has(key(unit))) ? { number, unit } : { number: text, unit: "" };
}

/**
 * What is counted, if it may be something else than pieces: by the quantity's own cell, by a column
 * for units, by the unit in any other cell, by the quantities' heading, or by "in cases" above it.
 */
function unitOf(own, { cells }, { heading, titles }, { item, quantity, unit: columns }, roles) {
  const others = columns.length ? columns : [...cells.keys()].filter((column) => ![item, quantity].includes(column) && roles.case.has(key(cells[column])));
  const named = wordsIn(heading?.cells[quantity] ?? "").find((word) => roles.case.has(key(word)))
    ?? titles.flatMap((title) => title.cells.flatMap(wordsIn)).find((word, at, words) => at && IN.test(words[at - 1]) && roles.case.has(key(word)));
  const unit = [own, ...others.map((column) => plain(cells[column] ?? "")), named].find(Boolean);
  return unit && !roles.piece.has(key(unit)) ? unit : null;
}

/** Also where it is separated by another character, or is a line that was drawn. */
const isEmpty = ({ cells }) => cells.every((cell) => /^[,;|:+=_\p{Pd}]*$/u.test(plain(cell)));

/**
 * The row that names most columns. A row with an item is none, though it may say "pcs".
 *
 * @returns {{at: number, count: 0 | 1 | 2, item: number[], quantity: number[], unit: number[]}}
 */
function headingOf(rows, bySku, roles) {
  let best = { at: -1, count: 0, item: [], quantity: [], unit: [] };
  for (const [at, row] of rows.slice(0, HEADING_ROWS).entries()) {
    const named = namedIn(row.cells, roles);
    if (named.count <= best.count || hasGood(row, bySku)) continue;
    if (named.count === 2 || !row.cells.some((cell) => isNumber(cell, roles))) best = { at, ...named };
  }
  return best;
}

function namedIn(cells, roles) {
  const found = { item: [], quantity: [], unit: [] };
  for (const [column, cell] of cells.entries()) {
    const role = roleOf(cell, roles);
    if (role) found[role.role].push({ column, rank: role.rank });
  }
  const [item, quantity, unit] = Object.values(found).map((named) => named.sort((one, other) => one.rank - other.rank).map(({ column }) => column));
  return { count: (item.length > 0) + (quantity.length > 0), item, quantity, unit };
}

/**
 * Which columns hold items and quantities: by heading, in any of the languages; else by what is in
 * them.
 *
 * @returns {{item: number, quantity: number, unit: number[], sure: boolean, heading: number}}
 *   `heading` is the index of its row, -1 if there is none
 */
function columnsOf(rows, bySku, roles) {
  const named = headingOf(rows, bySku, roles);
  const below = rows.slice(named.at + 1);
  const step = Math.ceil(below.length / LOOKED_AT);
  const some = below.filter((_, index) => index % step === 0);
  const all = [...Array(Math.max(1, ...some.map(({ cells }) => cells.length))).keys()];
  const isGood = (cell) => goodOf(cell ?? "", bySku);
  const fullest = (columns) => {
    const counts = columns.map((column) => some.filter(({ cells }) => isGood(cells[column])).length);
    const most = Math.max(0, ...counts);
    return columns.filter((_, index) => most && counts[index] === most);
  };
  const byName = fullest(named.item);
  const likely = byName.length ? byName : fullest(all.filter((column) => !named.quantity.includes(column)));
  const item = likely[0] ?? named.item[0] ?? (named.quantity[0] === 0 ? 1 : 0);

  const known = some.filter(({ cells }) => isGood(cells[item]));
  const share = (column) => {
    const cells = (known.length ? known : some).map((row) => row.cells[column] ?? "").filter(plain);
    return cells.filter((cell) => isNumber(cell, roles)).length / (cells.length || 1);
  };
  const counting = (columns) => {
    const mostly = columns.filter((column) => share(column) >= 0.5);
    return mostly.length ? mostly : columns.filter((column) => share(column) > 0);
  };
  const others = counting(all.filter((column) => column !== item));
  const isNamed = named.quantity.length > 0;
  const numbers = isNamed ? counting(named.quantity) : others;
  const quantity = numbers[0] ?? named.quantity[0] ?? item + 1;
  const heading = named.count === 2 ? named.at : headingAbove(rows, { item, quantity, named: named.at }, bySku, roles);
  const has = (pattern) => some.some(({ cells }) => pattern.test(plain(cells[quantity] ?? "")));
  const isUnit = !numbers.length && others.length > 0 && has(/./);
  const mayBePrice = plain(rows[heading]?.cells[quantity] ?? "") !== "" || (all.length > 2 && has(DECIMALS));
  const isSure = numbers.length < 2 && !(isNamed ? isUnit : mayBePrice);
  return {
    item, quantity, heading, unit: named.unit,
    // Where no item is known, no line is taken.
    sure: !known.length || (isSure && (named.item.length ? byName.length > 0 : likely.length < 2)),
  };
}

/** The last row above the first one that has an item or a number in its place. */
function headingAbove(rows, { item, quantity, named }, bySku, roles) {
  const first = rows.slice(0, HEADING_ROWS).findIndex(({ cells }, at) => at > named && (goodOf(cells[item] ?? "", bySku) || /\p{Nd}/u.test(cells[quantity] ?? "")));
  const above = rows.slice(0, Math.max(first, 0)).findLastIndex((row) => !isEmpty(row));
  return Math.max(above >= 0 && isTyped(rows[above], bySku, roles) ? -1 : above, named);
}

/**
 * @typedef {object} Reading
 * @property {{row: number, raw: string, sku: string, quantity: number}[]} lines
 * @property {{row: number, raw: string, column: number, problem: string}[]} errors what is left out
 * @property {string[]} titles what is above the heading
 * @property {number} blank rows that name neither an item nor a quantity, but something else
 * @property {number} sums rows that add up others
 * @property {number} unwanted rows of an order form whose quantity is none
 * @property {number[]} unread columns in which a line has another item
 * @property {{item: number, quantity: number, heading: Row | undefined}} columns
 * @property {{columns: {column: number, heading: string, example: string}[], item: number} |
 *   {sign: string, either: [string, string], unit?: string, text: string, row: number, others: number} |
 *   {totals: true, row: number, sku: string, quantity: number, others: number} | null} question
 *   to be answered before anything is taken, by `columns`, `means` or `totals`
 *
 * @param {Table} table
 * @param {Map<string, {sku: string, case: number, sold?: boolean}>} bySku
 * @param {Roles} roles
 * @param {{columns?: {item: number, quantity: number}, means?: Record<string, string>, anew?: boolean, totals?: "sums" | "lines"}} answers
 *   `anew`: columns are asked about, whatever is known of them
 * @returns {Reading | {refusal: string}}
 */
export function readSheet(table, bySku, roles, { columns: chosen, means = {}, anew = false, totals } = {}) {
  const { rows, separator } = table;
  const filled = rows.filter((row) => !isEmpty(row));
  if (filled.length > ROWS_MAX) {
    return { refusal: `This list has ${many(filled.length)} rows, and an order has at most ${many(LINES_MAX)} lines. Split the list, or delete the rows that you don't order.` };
  }
  const named = headingOf(filled, bySku, roles);
  const found = chosen
    ? { ...chosen, unit: named.unit, sure: true, heading: headingAbove(filled, { ...chosen, named: named.at }, bySku, roles) }
    : columnsOf(filled, bySku, roles);
  let { item, quantity, unit } = found;
  const [lines, errors, doubts, unwanted] = [[], [], [], []];
  let [blank, sums] = [0, 0];
  const isSum = sumFinder(roles);
  const unread = new Set();
  const heading = filled[found.heading];
  const isTorn = tornIn(filled, heading, quantity, separator);
  /** A second table below the first, or the same heading on each page. */
  const headsAnother = (cells) => {
    const named = namedIn(cells, roles);
    if (named.count < 2) return false;
    if (!chosen && named.item.length === 1 && named.quantity.length === 1) [item, quantity, unit] = [named.item[0], named.quantity[0], named.unit];
    return true;
  };
  const titles = filled.slice(0, Math.max(found.heading, 0)).filter((row) => !hasGood(row, bySku) && !isTyped(row, bySku, roles));
  for (const [at, row] of filled.entries()) {
    const { raw } = row;
    const cells = asTyped(row.cells, { item, quantity }, bySku, roles);
    if (at === found.heading || titles.includes(row)) continue;
    const leave = (column, problem, among = errors) => among.push({ row: row.row, raw, column, problem });
    const [sku, count] = [plain(cells[item] ?? ""), plain(cells[quantity] ?? "")];
    const good = goodOf(sku, bySku);
    const amount = amountOf(count, roles);
    if (!sku && !count) blank += 1;
    else if (isSum(row, { sku, good, quantity, count: amount.number })) sums += 1;
    else if (row.hidden) leave(item, "This row is hidden in the workbook. Check whether you want it.");
    else if (swallowed(cells, separator, bySku, roles)) leave(item, "This row has other rows within quotes. Check its quotes.");
    else if (isTorn(row)) leave(quantity, "This row has more cells than the heading. Write numbers without a comma, and put texts with a comma in quotes.");
    else if (!sku) leave(item, "The item is missing.");
    else if (!good && headsAnother(cells)) continue;
    else if (!good) leave(item, unknown(sku, count, errors.length < NEAREST_MAX ? nearestGood(sku, bySku) : null));
    else if (good.sold === false) leave(item, `“${good.sku}” can't be ordered at present.`);
    else if (row.struck?.some((column) => column === item || column === quantity)) leave(item, "This row is struck through. Check whether you want it.");
    else if (row.sums?.includes(quantity)) leave(quantity, "This quantity is a sum of other rows. Check whether you want it.");
    else {
      const order = ordered(amount.number, good, means, unitOf(amount.unit, row, { heading, titles }, { item, quantity, unit }, roles));
      if (order.problem) leave(quantity, order.problem, isNone(count) ? unwanted : errors);
      else lines.push({ row: row.row, raw, sku: good.sku, quantity: order.count });
      for (const [column, cell] of cells.entries()) if ((goodOf(cell, bySku) ?? good) !== good) unread.add(column);
      if (order.either) doubts.push({ ...order, text: count, row: row.row });
    }
  }
  // An order form lists all that could be ordered.
  const isForm = lines.length > 0 && unwanted.length >= Math.max(FORM_ROWS_MIN, 2 * lines.length);
  if (!isForm) errors.push(...unwanted);
  errors.sort((one, other) => one.row - other.row);
  // A quantity with both signs says what each one means.
  const both = filled.map(({ cells }) => /^[\d.,]+$/.exec(amountOf(cells[quantity] ?? "", roles).number)?.[0] ?? "").find((text) => text.includes(".") && text.includes(","));
  if (both && !means["."] && !means[","]) {
    const [thousands, decimals] = both.indexOf(".") < both.indexOf(",") ? [".", ","] : [",", "."];
    return readSheet(table, bySku, roles, { columns: chosen, means: { ...means, [thousands]: "thousands", [decimals]: "decimals" }, anew, totals });
  }
  // Between commas, "1,200" in quotes has no decimals: it would be a part of an item.
  if (separator === "," && !means[","] && doubts.some(({ sign }) => sign === ",") && doubts.every(({ sign, either }) => sign !== "," || either[1].includes("."))) {
    return readSheet(table, bySku, roles, { columns: chosen, means: { ...means, ",": "thousands" }, anew, totals });
  }
  const added = totals === "lines" ? [] : totalsIn(lines);
  const unclear = added.length && !totals ? { ...added[0], totals: true, others: added.length - 1 } : null;
  const question = found.sure && (chosen || !anew) ? numberIn(doubts, means) ?? unclear : columnsIn(filled, heading, found);
  const texts = titles.map(({ cells }) => cells.map(plain).filter(Boolean).join(" "));
  const taken = totals ? lines.filter((line) => !added.includes(line)) : lines;
  return { lines: taken, errors, titles: texts, blank, sums: sums + lines.length - taken.length, unwanted: isForm ? unwanted.length : 0, unread: [...unread], columns: { item: found.item, quantity: found.quantity, heading }, question };
}

/** What is wrong with an item that there is none of. */
function unknown(sku, count, like) {
  const next = count ? "Check how it is spelt." : "Write the item, a comma and a whole number.";
  return `“${short(sku)}” isn't in our catalogue${count ? "" : ", and no quantity is beside it"}. ${like ? `Is it ${like.sku}?` : next}`;
}

const isNone = (count) => /^(|[-–—−]+|0+([.,]0+)?)$/.test(count);

/**
 * Finds rows that add up those above: by their formula, or because they are called so and their
 * number is what the rows come to, since the last such row or altogether. A name alone may be a
 * good's.
 *
 * @param {Roles} roles
 * @returns {(row: Row, read: {sku: string, good: object | null, quantity: number, count: string}) => boolean}
 *   to be asked of each row in turn
 */
function sumFinder({ total }) {
  let [since, all] = [0, 0];
  return ({ cells, sums }, { sku, good, quantity, count }) => {
    const read = quantityOf(count);
    const number = read.either ? Number(read.either[0]) : read || 0;
    const isNamed = (sku ? [sku] : cells).some((cell) => plain(cell).split(/[\s:]+/).some((word) => total.has(key(word))));
    const addsUp = !count || (number > 0 && [since, all].includes(number));
    const isSum = !good && (sums?.includes(quantity) || (isNamed && addsUp));
    since = isSum ? 0 : since + number;
    all += isSum ? 0 : number;
    return Boolean(isSum);
  };
}

/**
 * Lines that come to the others of their item, next to them: as a report groups them, one for each
 * item, all of them the first or all of them the last of their group.
 */
function totalsIn(lines) {
  const groups = [];
  for (const line of lines) {
    if (groups.at(-1)?.[0].sku === line.sku) groups.at(-1).push(line);
    else groups.push([line]);
  }
  if (groups.length < 2 || !groups.some((group) => group.length > 2)) return []; // by chance
  for (const at of [0, -1]) {
    const isTotal = (group) => group.length > 1 && 2 * group.at(at).quantity === group.reduce((sum, { quantity }) => sum + quantity, 0);
    if (groups.every(isTotal)) return groups.map((group) => group.at(at));
  }
  return [];
}

/** A line that somebody typed into a table, with another separator: one item and one number. */
function asTyped(cells, { item, quantity }, bySku, roles) {
  const [line, ...others] = cells.filter(plain);
  if (!line || others.length || goodOf(line, bySku)) return cells;
  for (const separator of `${SEPARATORS} `) {
    const [{ cells: pair }, ...more] = records(separator === " " ? plain(line) : line, separator);
    const at = pair.findIndex((cell) => goodOf(cell, bySku));
    if (more.length || pair.length !== 2 || at < 0 || !isNumber(pair[1 - at], roles)) continue;
    const typed = Array(Math.max(item, quantity) + 1).fill("");
    [typed[item], typed[quantity]] = [pair[at], pair[1 - at]];
    return typed;
  }
  return cells;
}

const isTyped = ({ cells }, bySku, roles) => asTyped(cells, { item: 0, quantity: 1 }, bySku, roles) !== cells;

/** A quote that somebody forgot makes one cell of many lines. */
function swallowed(cells, separator, bySku, roles) {
  const lines = cells.flatMap((cell) => cell.split(/[\r\n]+/).slice(1));
  return lines.flatMap((line) => records(line, separator)).some((record) => hasGood(record, bySku) && record.cells.some((cell) => isNumber(cell, roles)));
}

/**
 * A comma that nobody put in quotes tears a cell in two: `SOAP,1,200`, or a name before the quantity.
 * Then there are numbers beyond the heading; unless most rows have some, which are a column.
 *
 * @returns {(row: Row) => boolean}
 */
function tornIn(rows, heading, quantity, separator) {
  if (separator !== "," || !plain(heading?.cells[quantity] ?? "")) return () => false;
  const width = heading.cells.findLastIndex(plain) + 1;
  const isLonger = ({ cells }) => cells.slice(width).some((cell) => /^\p{Nd}/u.test(plain(cell)));
  const few = rows.filter(isLonger).length * 2 < rows.length - 1;
  const isGroup = ({ cells }) => quantity + 1 === width && [cells[quantity], cells[width]].every((cell) => /^\d{1,3}$/.test(plain(cell ?? "")));
  return (row) => isLonger(row) && (few || isGroup(row));
}

/** What is asked about numbers: best by one that could be ordered in both ways. */
function numberIn(doubts, means) {
  const open = doubts.filter(({ sign }) => !means[sign]);
  if (!open.length) return null;
  const same = open.filter(({ sign }) => sign === open[0].sign);
  return { ...(same.find(({ either, unit }) => !(unit ? / of 1$/ : /\./).test(either[1])) ?? same[0]), others: same.length - 1 };
}

function columnsIn(rows, heading, { item }) {
  const below = rows.slice(rows.indexOf(heading) + 1);
  const width = Math.max(...rows.map(({ cells }) => cells.length));
  const columns = [...Array(width).keys()].map((column) => ({
    column,
    heading: short(plain(heading?.cells[column] ?? "")),
    example: short(below.map(({ cells }) => plain(cells[column] ?? "")).find(Boolean) ?? ""),
  }));
  return { columns: columns.filter(({ example }) => example), item };
}

/**
 * What was left out, as it was written and below its heading, so that it can be mended and read again.
 *
 * @param {{row: number, raw: string}[]} rows
 */
export function remainder({ first, separator }, { columns: { heading } }, rows, wanted = separator) {
  const as = (raw) => (wanted === separator ? raw : records(raw, separator).map(({ cells }) => written(cells, wanted)).join("\n"));
  const sorted = [...rows].sort((one, other) => one.row - other.row);
  const named = wanted === separator ? first.trimEnd() : "";
  return [...(named ? [named] : []), ...(heading ? [as(heading.raw)] : []), ...sorted.map(({ raw }) => as(raw))].join("\n");
}

/** A column as spreadsheet programs call it: A, B, ..., Z, AA. */
export function letters(column) {
  const last = String.fromCharCode(65 + (column % 26));
  return column < 26 ? last : letters(Math.floor(column / 26) - 1) + last;
}

export const many = (number) => number.toLocaleString("en");

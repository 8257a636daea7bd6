/**
 * The sheets of an Excel workbook (.xlsx, ISO/IEC 29500): what its cells hold, as texts. Numbers in
 * it are numbers, so that none of them can mean two things.
 */
import { written } from "./csv.js";

const PART_BYTES_MAX = 50_000_000;
/** More are formatting. */
const COLUMNS_MAX = 256;
/** Numbers of formats that show a date or a time. */
const DATES = [[14, 22], [27, 36], [45, 47], [50, 58]];
const DAY_MS = 86_400_000;
const DAYS_BEFORE_1970 = 25_569;

/** @returns {Promise<{sheets: {name: string, rows: object[]}[]} | {other: string}>} the sheets that are
 *   shown, or what else it is */
export async function sheetsOf(bytes) {
  try {
    const parts = partsOf(bytes);
    const has = (pattern) => [...parts.keys()].some((name) => pattern.test(name));
    if (has(/\.iwa$/)) return { other: "a Numbers document" };
    if (has(/^content\.xml$/)) return { other: "an OpenDocument file (.ods)" };
    if (has(/^xl\/workbook\.bin$/)) return { other: "a binary workbook (.xlsb)" };
    if (!has(/^xl\//)) return { other: "a zip file" };
    if (!canInflate()) return { other: "a workbook, which this browser is too old to read" };
    const sheets = await read(parts);
    return sheets.length ? { sheets } : { other: "a workbook that shows no sheet" };
  } catch {
    return { other: "a damaged workbook" };
  }
}

function canInflate() {
  try {
    return Boolean(new DecompressionStream("deflate-raw"));
  } catch {
    return false;
  }
}

async function read(parts) {
  const [book] = await relations(parts, "", /\/officeDocument$/);
  const [strings] = await relations(parts, book.path, /\/sharedStrings$/);
  const [styles] = await relations(parts, book.path, /\/styles$/);
  const texts = strings ? all(await xml(parts, strings.path), "si").map(textIn) : [];
  const formats = styles ? formatsOf(await xml(parts, styles.path)) : [];
  const places = await relations(parts, book.path, /\/worksheet$/);
  const sheets = [];
  for (const sheet of all(await xml(parts, book.path), "sheet")) {
    const [, id] = Object.entries(sheet.attributes).find(([name]) => /:id$/.test(name)) ?? [];
    const place = places.find((one) => one.id === id); // a chart has none
    if (!place || /hidden/i.test(sheet.attributes.state ?? "")) continue;
    sheets.push({ name: sheet.attributes.name, rows: rowsOf(await xml(parts, place.path), texts, formats) });
  }
  return sheets;
}

/** The parts that a part points to. */
async function relations(parts, path, type) {
  const [, folder, name] = /^(.*\/)?(.*)$/.exec(path);
  const place = `${folder ?? ""}_rels/${name}.rels`;
  if (!parts.has(place)) return [];
  return all(await xml(parts, place), "Relationship")
    .filter((one) => type.test(one.attributes.Type))
    .map((one) => ({ id: one.attributes.Id, path: decodeURI(new URL(one.attributes.Target, `https://x/${path}`).pathname.slice(1)) }));
}

function rowsOf(sheet, texts, formats) {
  let last = 0;
  const labels = labelsIn(sheet);
  const shared = new Map();
  return all(sheet, "row").map((element) => {
    const row = Number(element.attributes.r) || last + 1;
    last = row;
    const [cells, struck, sums] = [[], [], []];
    for (const cell of all(element, "c")) {
      const column = columnOf(cell.attributes.r) ?? cells.length;
      if (column >= COLUMNS_MAX) continue;
      const [formula] = all(cell, "f");
      const format = formats[Number(cell.attributes.s ?? 0)];
      cells[column] = textOf(cell, texts, format?.code ?? "") || (formula ? `=${formula.text}` : "");
      if (format?.struck) struck.push(column);
      if (formula && isSum(formula, row, column, shared)) sums.push(column);
    }
    for (const label of labels) label(row, cells);
    const filled = Array.from(cells, (cell) => cell ?? "");
    return { row, cells: filled, raw: written(filled, "\t"), hidden: /^(1|true)$/.test(element.attributes.hidden), struck, sums };
  });
}

/** A text that is merged over several rows is in each of them. A number is not: it would count again. */
function labelsIn(sheet) {
  return all(sheet, "mergeCell").map(({ attributes: { ref } }) => {
    const [[left, top], [, bottom]] = ref.split(":").map((place) => [columnOf(place), Number(/\d+$/.exec(place))]);
    let text = "";
    return (row, cells) => {
      if (row === top) text = /^\p{L}/u.test(cells[left] ?? "") ? cells[left] : "";
      else if (row > top && row <= bottom) cells[left] ||= text;
    };
  });
}

const SUM = /\b(SUM|SUBTOTAL|AGGREGATE)\(/;
const RANGE = /\$?\b([A-Z]{1,3})\$?(\d+):\$?([A-Z]{1,3})\$?(\d+)\b/g;
/** A column of a table, but not this row of it: `Order[Qty]`. */
const TABLE_COLUMN = /\w\[[^[#@]/;

/** Whether a formula adds up its own column in other rows; a copied one is told by its first. */
function isSum({ text, attributes: { t: type, si: copy } }, row, column, shared) {
  if (type === "shared" && !text) return shared.get(copy) ?? false;
  const ranges = [...text.matchAll(RANGE)];
  const found = SUM.test(text) && (TABLE_COLUMN.test(text) || ranges.some(([, from, first, to, last]) =>
    columnOf(from) === column && columnOf(to) === column && !(first <= row && row <= last)));
  if (type === "shared") shared.set(copy, found);
  return found;
}

/** "AB12" is in column 27, counted from 0. */
function columnOf(place) {
  const [name] = /^[A-Z]+/.exec(place ?? "") ?? [];
  return name ? [...name].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1 : null;
}

function textOf(cell, texts, format) {
  const value = all(cell, "v")[0]?.text ?? "";
  const type = cell.attributes.t ?? "n";
  if (type === "s") return texts[Number(value)] ?? "";
  if (type === "inlineStr") return textIn(cell);
  if (type === "b") return value === "1" ? "TRUE" : "FALSE";
  if (type !== "n" || value === "") return value;
  const number = Number(Number(value).toPrecision(15)); // as Excel shows it
  if (format === "date") return new Date((number - DAYS_BEFORE_1970) * DAY_MS).toISOString().slice(0, 10);
  if (/^0+$/.test(format)) return String(number).padStart(format.length, "0");
  const shown = String(number).replace(/\.\d{3}$/, "$&0"); // as a text, three decimals could be thousands
  const unit = unitIn(format);
  return unit ? `${shown} ${unit}` : shown;
}

/** `0" cases"` shows a word behind the number, which says what is counted. */
function unitIn(format) {
  const [, unit = ""] = /(?:[0#?]|General)((?:"[^"]*"|\\.|[ _])+)(?:;|$)/.exec(format) ?? [];
  const text = unit.replace(/_./g, "").replace(/["\\]/g, "").trim();
  return /\p{L}/u.test(text) ? text : "";
}

/**
 * What a cell's style makes of what is in it.
 *
 * @returns {{code: string, struck: boolean}[]} how a number is shown, "date" for a date
 */
function formatsOf(styles) {
  const isStruck = all(styles, "fonts").flatMap(({ children }) => children)
    .map((font) => all(font, "strike").some(({ attributes: { val = "1" } }) => /^(1|true)$/.test(val)));
  const own = new Map(all(styles, "numFmt").map((one) => [one.attributes.numFmtId, one.attributes.formatCode]));
  const [used] = all(styles, "cellXfs");
  return used ? all(used, "xf").map((one) => {
    const id = one.attributes.numFmtId;
    const code = own.get(id) ?? "";
    const isDate = DATES.some(([from, to]) => from <= id && id <= to) || /[dmyhs]/i.test(code.replace(/"[^"]*"|\[[^\]]*\]|\\./g, ""));
    return { code: isDate ? "date" : code, struck: isStruck[one.attributes.fontId] ?? false };
  }) : [];
}

/** Without the reading aid that a Japanese text has with it. */
const textIn = (element) => textsIn(element).replace(/_x([0-9A-F]{4})_/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));

function textsIn({ name, text, children }) {
  if (name === "rPh") return "";
  return name === "t" ? text : children.map(textsIn).join("");
}

/** @returns {Map<string, {method: number, packed: Uint8Array}>} what is in a zip file, by its list at the end */
function partsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end -= 1;
  const parts = new Map();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const local = view.getUint32(at + 42, true);
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(from, from + view.getUint32(at + 20, true));
    parts.set(name, { method: view.getUint16(at + 10, true), size: view.getUint32(at + 24, true), packed });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return parts;
}

async function xml(parts, name) {
  const { method, size, packed } = parts.get(name);
  if (size > PART_BYTES_MAX) throw new Error(`${name} is too large`);
  const stream = new Blob([packed]).stream();
  const text = await new Response(method ? stream.pipeThrough(new DecompressionStream("deflate-raw")) : stream).text();
  return parsed(text);
}

const TOKEN = /<!--[\s\S]*?-->|<[?!](?!\[)[^>]*>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)(?:[\w.-]+:)?([\w.-]+)((?:\s+[\w.:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|([^<]+)/g;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/**
 * XML as a tree, without its prefixes. The store's policy keeps pages from having the browser parse
 * any markup (trusted types).
 *
 * @typedef {{name: string, attributes: Record<string, string>, children: Element[], text: string}} Element
 * @returns {Element}
 */
function parsed(xml) {
  const open = [{ name: "", attributes: {}, children: [], text: "" }];
  for (const [, cdata, closing, name, attributes, empty, characters] of xml.matchAll(TOKEN)) {
    const within = open.at(-1);
    if (closing) open.pop();
    else if (name) {
      const found = [...attributes.matchAll(ATTRIBUTE)].map(([, key, one, other]) => [key, unescaped(one ?? other)]);
      const element = { name, attributes: Object.fromEntries(found), children: [], text: "" };
      within.children.push(element);
      if (!empty) open.push(element);
    } else within.text += cdata ?? unescaped(characters ?? "");
  }
  const [root, ...unclosed] = open;
  if (unclosed.length) throw new Error(`${unclosed[0].name} is not closed`);
  return root;
}

const unescaped = (text) => text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => (
  name ? ENTITIES[name] ?? whole : String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10))));

/** All elements of a name, however deep. */
const all = ({ children }, name) => children.flatMap((child) => (child.name === name ? [child] : all(child, name)));

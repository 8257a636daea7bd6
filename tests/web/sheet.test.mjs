/** A wholesale buyer's list, and what an order of it comes to. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Basket } from "../../web/storefront/basket.js";
import { records, written } from "../../web/storefront/csv.js";
import { timeOf } from "../../web/storefront/outbox.js";
import { goodOf, ordered, plain, quantityOf } from "../../web/storefront/quantity.js";
import { letters, readSheet, remainder, rolesOf, tableOf } from "../../web/storefront/sheet.js";
import { contentOf } from "../../web/storefront/sheet-file.js";

const WORDS = JSON.parse(readFileSync(new URL("../../web/storefront/sheet-words.json", import.meta.url), "utf8"));
const ROLES = rolesOf(WORDS);
const GOODS = new Map([
  { sku: "MUG-SAGE", case: 6 }, { sku: "SOAP", case: 1 }, { sku: "jug-clay", case: 1 }, { sku: "Vase-Sea", case: 1 },
  { sku: "00123", case: 1 }, { sku: "20010", case: 1 }, { sku: "OLD", case: 1, sold: false },
].map((good) => [good.sku, good]));

function read(texts, answers) {
  const table = tableOf([texts].flat(), GOODS, ROLES);
  return { table, ...readSheet(table, GOODS, ROLES, answers) };
}

/** "SOAP 2, MUG-SAGE 6", and which rows are left out. */
const short = ({ lines, errors }) => [
  lines.map(({ sku, quantity }) => `${sku} ${quantity}`).join(", "),
  ...errors.map(({ row, column }) => `${letters(column)}${row}`),
].join(" without ");

const cells = (text, separator = ",") => records(text, separator).map((record) => record.cells);

// The examples of RFC 4180, section 2, by rule, and of what is at its edges.
for (const [rule, text, expected] of [
  [1, "aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]]],
  [2, "aaa,bbb,ccc\r\nzzz,yyy,xxx", [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]]],
  [4, "a b,,c,\r\n,\r\n", [["a b", "", "c", ""], ["", ""]]],
  [5, '"aaa","bbb","ccc"\r\nzzz,yyy,xxx', [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]]],
  [6, '"aaa","b\r\nb,b","ccc"\r\nzzz', [["aaa", "b\r\nb,b", "ccc"], ["zzz"]]],
  [7, '"aaa","b""bb","ccc","","""",""""""', [["aaa", 'b"bb', "ccc", "", '"', '""']]],
]) {
  test(`RFC 4180, rule ${rule}`, () => {
    assert.deepEqual(cells(text), expected);
    const again = expected.map((record) => written(record, ",")).join("\n");
    assert.deepEqual(cells(again), expected);
  });
}

test("a quote that is none swallows nothing", () => {
  assert.deepEqual(cells('a,19" rack\nb,"20" rack\nc,"open\nd,e'), [["a", '19" rack'], ["b", '"20" rack'], ["c", '"open'], ["d", "e"]]);
  assert.deepEqual(cells(' "a" , "b" ,c\rd\n\ne', ","), [["a", "b", "c"], ["d"], [""], ["e"]]);
  // Closed again many lines later, it is a cell; but not one that other lines disappear in.
  assert.equal(short(read('SOAP,2,"19 rack\nMUG-SAGE,6,"\nSOAP,3')), "SOAP 3 without A1");
  assert.equal(short(read('SOAP,2,"urgent,\ncall me"\n"Mug,\nsage",MUG-SAGE,6')), "SOAP 2 without A2");
  assert.equal(short(read('Name,SKU,Qty\n"Soap,\ngreen",SOAP,2\n"Mug,\nsage",MUG-SAGE,6')), "SOAP 2, MUG-SAGE 6");
});

test("a comma that is not in quotes makes no other number", () => {
  for (const [text, expected] of [
    ["sku,quantity\nSOAP,1,200", " without B2"],
    ["sku,quantity\nSOAP,12,5\nSOAP,2", "SOAP 2 without B2"],
    ["SKU,Name,Qty,Price\nSOAP,Soap, 5,12,3.50\nSOAP,soap,2,3.50\nSOAP,soap,3,3.50", "SOAP 2, SOAP 3 without C2"],
    ["sku,quantity\nSOAP,2,a note, or two\nMUG-SAGE,6", "SOAP 2, MUG-SAGE 6"],
    ["SKU,Name,Qty\nSOAP,soap,2,,7.00\nMUG-SAGE,mug,6,,36.00", "SOAP 2, MUG-SAGE 6"],
  ]) assert.equal(short(read(text)), expected, text);
  assert.ok(read("SOAP,1,200\nMUG-SAGE,6").question.columns);
});

for (const [what, text, expected = "SOAP 2, MUG-SAGE 6"] of [
  ["commas", "SOAP,2\nMUG-SAGE,6"],
  ["semicolons, a heading, CRLF", "sku;quantity\r\nSOAP;2\r\nMUG-SAGE;6\r\n"],
  ["tabs, CR, lower case", "soap\t2\rmug-sage\t6"],
  ["pipes", "SKU|Quantity\nSOAP|2\nMUG-SAGE|6"],
  ["full-width commas", "SOAP，２\nMUG-SAGE，６"],
  ["Excel's own line", "sep=;\r\nsku;quantity\r\nSOAP;2\r\nMUG-SAGE;6"],
  ["another character by that line", "sep=^\nSOAP^2\nMUG-SAGE^6"],
  ["Excel's own line, saved again by another program", '"sep=;"\nSOAP;2\nMUG-SAGE;6'],
  ["one separator for the whole list", "SOAP,2,urgent; call me\nMUG-SAGE,6"],
  ["one separator, said by the heading", "sku,quantity,note\nSOAP,2,a;b;c\nMUG-SAGE,6,d;e;f"],
  ["a name between", 'SKU,Name,Quantity\nSOAP,"Soap, green",2\nMUG-SAGE,"Mug ""sage""",6'],
  ["the quantity first", "Quantity,SKU\n2,SOAP\n6,MUG-SAGE"],
  ["the quantity first, without a heading", "2;SOAP\n6;MUG-SAGE"],
  ["blanks and signs in the heading", " Item No. , QTY (pcs)\nSOAP,2\nMUG-SAGE,6"],
  ["two languages in its heading", "Artikel / Item;Menge/Qty;Qty/case\nSOAP;2;1\nMUG-SAGE;6;6"],
  ["German", "Pos.;Artikel-Nr.;Bezeichnung;Menge;Einheit\n1;SOAP;Seife;2;Stk\n2;MUG-SAGE;Becher;6;Stk"],
  ["French", "Référence;Désignation;Qté\nSOAP;savon;2\nMUG-SAGE;tasse;6"],
  ["Japanese", "商品コード,商品名,数量\nSOAP,石鹸,2\nMUG-SAGE,マグ,6"],
  ["its separator after a mark of the encoding", "\ufeffsep=;\nSOAP;2\nMUG-SAGE;6"],
  ["nothing but the item, a name and a number", '"SOAP","Soap, green","2"\n"MUG-SAGE","Mug, sage","6"'],
  ["units and no heading", "SOAP;2;Stk\nMUG-SAGE;6;Stk"],
  ["titles and empty rows above", "Order form,,\n,,\nMay 2026,,\n\n,SKU,Qty\n,SOAP,2\n,MUG-SAGE,6"],
  ["empty rows below", `SKU;Qty\nSOAP;2\n;;\n,\nMUG-SAGE;6\n${";;\n".repeat(500)}`],
  ["the heading of each page", "SKU,Qty\nSOAP,2\nSKU,Qty\nMUG-SAGE,6"],
  ["a second table with other columns", "Table 1\nSKU,Qty\nSOAP,2\n\nQty,Note,SKU\n6,x,MUG-SAGE"],
  ["more than one column that could be the item", "Item,SKU,Qty\ngreen,SOAP,2\nsage,MUG-SAGE,6"],
  ["texts that a program should leave alone", "=\"SOAP\",=\"2\"\n'MUG-SAGE,'6"],
  ["what can't be seen", "\u200eSOAP\u00a0;2\u00a0\n\ufeffMUG\u00ad-SAGE;\u200e6"],
  ["other widths and dashes", "ＳＯＡＰ,2\nMUG–SAGE,6"],
  ["a line in quotes each, as if it were a cell", '"SKU;Qty"\n"SOAP;2"\n"MUG-SAGE;6"'],
  ["a line in quotes here and there", 'SKU,Name,Qty\n"SOAP,""Soap, green"",2",,\nMUG-SAGE,Mug,6'],
  ["lines that were typed below, with another separator", "SKU;Name;Qty\nSOAP;soap;2\nMUG-SAGE,6\nSOAP,1,200", "SOAP 2, MUG-SAGE 6 without A4"],
  ["quotes that are a program's or a mail's", '"""SKU""",Qty\n"""SOAP""","2"\n\'MUG-SAGE\',“6”'],
  ["drawn lines", "| SKU | Qty |\n|:---|----:|\n| SOAP | 2 |\n| MUG-SAGE | 6 |\n+-----+"],
  ["line ends of three kinds, and a mark of the file's end", "SKU,Qty\r\nSOAP,2\rMUG-SAGE,6\n\x1a"],
  ["line separators", "SKU,Qty\u2028SOAP,2\u2028MUG-SAGE,6"],
  ["a mainframe's line ends", "SKU,Qty\x85SOAP,2\x85MUG-SAGE,6"],
  ["two files in one", "\ufeffSKU,Qty\r\nSOAP,2\r\n\ufeffSKU,Qty\r\nMUG-SAGE,6"],
  ["numeric skus", "20010,12\n00123,3\n123,2\n1.23E+02,2", "20010 12, 00123 3 without A3 without A4"],
]) {
  test(`a list with ${what}`, () => {
    const sheet = read(text);
    assert.equal(short(sheet), expected);
    assert.equal(sheet.question, null);
  });
}

const bytes = (text, encoding) => new Blob([Buffer.from(text, encoding)]);
const SHIFT_JIS = [0x8f, 0xa4, 0x95, 0x69, 0x83, 0x52, 0x81, 0x5b, 0x83, 0x68, 0x2c, 0x90, 0x94, 0x97, 0xca];
for (const [what, file, expected = "SOAP 1200"] of [
  ["UTF-8 with its mark", bytes("\ufeffRéférence;Quantité\r\nSOAP;1\u202f200\r\n")],
  ["UTF-16 with its mark, as Excel's Unicode text", bytes("\ufeffRéférence\tx\tQuantité\r\nSOAP\t1\t1\u202f200\r\n", "utf16le")],
  ["UTF-16 without", bytes("商品コード,数量\r\nSOAP,1200\r\n", "utf16le")],
  ["UTF-16, the other way round", new Blob([Buffer.from("\ufeffsku;x;Menge\r\nSOAP;1;1200", "utf16le").swap16()])],
  ["Windows-1252, as Excel in French", bytes("R\xe9f\xe9rence;x;Quantit\xe9\r\nSOAP;1;1\xa0200\r\n", "latin1")],
  ["Mac OS Roman", bytes("R\x8ef\x8erence;x;Quantit\x8e\rSOAP;1;1200\r", "latin1")],
  ["Shift JIS, as Excel in Japanese", new Blob([new Uint8Array(SHIFT_JIS), "\r\nSOAP,1200\r\n"])],
  ["Windows-1251", bytes("\xc0\xf0\xf2\xe8\xea\xf3\xeb;x;\xca\xee\xeb-\xe2\xee\r\nSOAP;1;1200", "latin1")],
]) {
  test(`a file in ${what}`, async () => {
    const sheet = read((await contentOf(file)).texts);
    assert.equal(short(sheet), expected);
    assert.equal(sheet.question, null, "its heading is understood");
  });
}

test("what is no list is refused by its name", async () => {
  for (const [begin, name] of [
    ["\xd0\xcf\x11\xe0\xa1", /\.xls\b/], [`\xd0\xcf\x11\xe0\xa1\n${[..."EncryptedPackage"].join("\0")}\0`, /has a password/], ["PK\x03\x04", /workbook/], ["%PDF-1.7", /PDF/], ["<html><table>", /web page/],
    ['<?xml version="1.0"?>', /XML/], ["\x89PNG\r\n\x1a\n\0\0\0\rIHDR", /not a text/],
  ]) assert.match((await contentOf(bytes(begin, "latin1"))).refusal, name);
  assert.match((await contentOf(new Blob(["x".repeat(5_000_001)]))).refusal, /5 MB/);
  assert.match((await contentOf({ size: 1, arrayBuffer: async () => { throw new Error("locked"); } })).refusal, /can't be read/);
});

test("digits of any script, groups of three and decimals that are none are a number", () => {
  for (const [text, expected] of [
    ["12", 12], ["012", 12], ["1 200", 1200], ["1\u202f200", 1200], ["1'200", 1200], ["1’200", 1200],
    ["1.200.000", 1_200_000], ["1,20,000", 120_000], ["1.200,00", 1200], ["1,200.00", 1200], ["1 200,000", 1200],
    ["12.0", 12], ["12,00", 12], ["1200,000", 1200], ["１２", 12], ["١٬٢٠٠", 1200], ["१२", 12], ['="12"', 12],
    ["0012", 12], ["\u061c١٢", 12], ["\u202d12\u202c", 12], ["12\ufe0f", 12],
  ]) assert.equal(quantityOf(plain(text)), expected, text);
});

test("what any language makes of a number is read as that number, or asked about", () => {
  const languages = ["ar", "ar-EG", "bn", "cs", "de", "de-AT", "de-CH", "en", "en-IN", "es", "es-MX", "fa", "fr", "fr-CH", "hi", "hu", "it", "ja", "mr", "my", "nb", "ne", "nl", "pl", "pt", "ru", "sv", "th", "tr", "uk", "zh"];
  for (const language of languages) {
    for (const decimals of [0, 1, 2, 3]) {
      const format = new Intl.NumberFormat(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
      for (const number of [6, 12, 120, 1200, 12_000, 1_000_000]) {
        const text = format.format(number);
        const read = quantityOf(plain(text));
        assert.ok(read === number || read.either?.includes(String(number)), `${language}: ${text}`);
      }
      if (!decimals) continue;
      for (const number of [1.5, 12.125, 1200.5]) {
        const text = format.format(number);
        const read = quantityOf(plain(text));
        const nearly = Number(number.toFixed(decimals));
        assert.ok(Number.isInteger(nearly) || Number.isNaN(read) || read.either?.includes(String(nearly)), `${language}: ${text}`);
      }
    }
  }
});

test("nothing else is a number", () => {
  const texts = ["", "+12", "-1", "0xC", "1.2e1", "1E3", "1,2E+03", "12²", "12 00", "1,2", "0.500", "12.", ".5", "1..2", "1,2,3", "12 pcs", "(12)", "Infinity",
    "1_000", "1 2", "½", "∞", "٫", "⑫", "1.234,56", "1,234.56", "12.50", "\u202e21"];
  for (const text of texts) assert.equal(quantityOf(plain(text)), Number.NaN, text);
});

test("a number that can mean two things is asked about, once for the list", () => {
  for (const [text, sign, either] of [
    ["12.000", ".", ["12000", "12"]], ["6,000", ",", ["6000", "6"]], ["1.200", ".", ["1200", "1.2"]], ["１２．０００", ".", ["12000", "12"]],
  ]) {
    assert.deepEqual(quantityOf(text), { sign, either }, text);
    const { problem } = ordered(text, { case: 6 });
    for (const meaning of either) assert.ok(problem.includes(meaning), problem);
  }
  const sheet = "Artikel;Menge;Preis\nMUG-SAGE;12.000;3,50\nSOAP;1.200;2,00\nSOAP;7;2,00";
  const asked = read(sheet);
  assert.equal(short(asked), "SOAP 7 without B2 without B3");
  assert.deepEqual([asked.question.either, asked.question.row, asked.question.others], [["12000", "12"], 2, 1]);
  assert.equal(short(read(sheet, { means: { ".": "thousands" } })), "MUG-SAGE 12000, SOAP 1200, SOAP 7");
  assert.equal(short(read(sheet, { means: { ".": "decimals" } })), "MUG-SAGE 12, SOAP 7 without B3");
  const left = read(sheet, { means: { ".": "unclear" } });
  assert.deepEqual([short(left), left.question], [short(asked), null]);
});

test("between commas a comma groups thousands, unless it could be decimals that are none", () => {
  assert.equal(short(read('SOAP,"1,200"')), "SOAP 1200");
  assert.deepEqual(read('SOAP,"1,200"\nSOAP,"12,000"').question.either, ["12000", "12"]);
  assert.equal(read("SOAP;1,200").question.sign, ",");
  assert.equal(read("SOAP\t1,200").question.sign, ",");
});

test("a column that can't be known is asked about", () => {
  const sheet = "Zboží;Foo;Bar\nMUG-SAGE;12;700\nSOAP;2;350";
  const { question, columns } = read(sheet);
  assert.deepEqual(question.columns.map(({ heading, example }) => [heading, example]), [["Zboží", "MUG-SAGE"], ["Foo", "12"], ["Bar", "700"]]);
  assert.equal(columns.heading.row, 1);
  assert.equal(short(read(sheet, { columns: { item: 0, quantity: 1 } })), "MUG-SAGE 12, SOAP 2");
  for (const unclear of [
    "SKU,Qty,Order qty\nSOAP,1,2", "1,SOAP,2\n2,MUG-SAGE,6", "SOAP,2,350",
    // Prices are whole numbers too.
    "SKU,Name,Price\nSOAP,soap,4.00\nMUG-SAGE,mug,6.00", "SKU;Preis\nMUG-SAGE;6", "Vörunúmer;Fjöldi\nSOAP;2", "SOAP,soap,4.00",
    "SKU,Unit,Price\nSOAP,pcs,4\nMUG-SAGE,pcs,6", "SKU,Units,Number\nSOAP,pcs,4\nMUG-SAGE,pcs,6",
    "SKU,Qty,Instead of\nNEW,2,SOAP",
  ]) assert.ok(read(unclear).question.columns, unclear);
  assert.equal(read("NOPE,2,350").question, null, "nothing could be taken anyway");
  assert.equal(short(read("SKU,Price,Qty\nSOAP,4.00,\nMUG-SAGE,6.00,")), " without C2 without C3");
});

test("a word means one thing in all languages, and a store can add its own", () => {
  const all = (role) => Object.values(WORDS).flatMap((language) => language[role]);
  for (const word of all("item")) assert.equal(short(read(`x\t${word}\tQty\n9\tSOAP\t2`)), "SOAP 2", word);
  for (const word of all("quantity")) assert.equal(short(read(`x\tSKU\t${word}\n9\tSOAP\t2`)), "SOAP 2", word);
  for (const word of all("unit")) assert.equal(read(`SKU\tQty\t${word}\nMUG-SAGE\t6\tfoo`).question?.unit, "foo", word);
  for (const word of all("piece")) assert.equal(short(read(`SKU\tQty\nMUG-SAGE\t6 ${word}`)), "MUG-SAGE 6", word);
  for (const word of all("case")) assert.equal(read(`SKU\tQty\nMUG-SAGE\t6 ${word}`).question?.unit, word);
  for (const word of all("total")) assert.equal(read(`SKU\tQty\nSOAP\t2\n${word}\t2`).sums, 1, word);
  const roles = rolesOf({ ...WORDS, is: { item: ["Vörunúmer"], quantity: ["Fjöldi"] } });
  const text = "Vörunúmer;Hillur;Fjöldi\nSOAP;9;2";
  assert.equal(short(readSheet(tableOf([text], GOODS, roles), GOODS, roles)), "SOAP 2");
});

test("a bad line is named by row and column with what to do; the others stay", () => {
  const { errors, ...rest } = read("sku,name,quantity\nMUG-SAGE,,7\nNOPE,,6\nSOAP\nSOAP,,0\nSOAP,,1000001\n,,4\nOLD,,1\nSOAP,,3");
  assert.deepEqual(rest.lines.map(({ sku, quantity, row }) => [sku, quantity, row]), [["SOAP", 3, 9]]);
  assert.deepEqual(errors.map(({ row, column, problem }) => [`${letters(column)}${row}`, problem]), [
    ["C2", "It is sold in cases of 6: order 6 or 12."],
    ["A3", "“NOPE” isn't in our catalogue. Check how it is spelt."],
    ["C4", "The quantity is missing. Write a whole number."],
    ["C5", "“0” isn't a whole number from 1 to 1,000,000."],
    ["C6", "“1000001” isn't a whole number from 1 to 1,000,000."],
    ["A7", "The item is missing."],
    ["A8", "“OLD” can't be ordered at present."],
  ]);
  assert.equal(ordered("5", { case: 6 }).problem, "It is sold in cases of 6: order 6.");
  assert.ok(ordered("x".repeat(20_000), { case: 6 }).problem.length < 150);
});

for (const [what, text, pieces, cases] of [
  ["a unit in its cell", "SKU,Qty\nMUG-SAGE,12 Kartons", "MUG-SAGE 12", "MUG-SAGE 72"],
  ["a column of units", "SKU;Menge;ME\nMUG-SAGE;12;KAR\nMUG-SAGE;6;ST", "MUG-SAGE 12, MUG-SAGE 6", "MUG-SAGE 72, MUG-SAGE 6"],
  ["a unit beside it without a heading", "MUG-SAGE;12;CS\nMUG-SAGE;6;EA", "MUG-SAGE 12, MUG-SAGE 6", "MUG-SAGE 72, MUG-SAGE 6"],
  ["a title above", "Alle Mengen in Kartons\nSKU,Qty\nMUG-SAGE,12", "MUG-SAGE 12", "MUG-SAGE 72"],
  ["a title that only names a box", "Box Hill Stores, in 3 weeks\nSKU,Qty\nMUG-SAGE,12", "MUG-SAGE 12"],
  ["the unit in the heading", "SKU,Qty (pcs),Bottles\nMUG-SAGE,12,x", "MUG-SAGE 12"],
  ["a column of units that decides over the packing", "SKU,Qty,Unit,Packed in\nMUG-SAGE,12,EA,Box", "MUG-SAGE 12"],
  ["a unit nobody knows", "SKU,Qty,UOM\nMUG-SAGE,12,ZZ", "MUG-SAGE 12", "MUG-SAGE 72"],
  ["a unit and a thousand", "SKU;Qty\nMUG-SAGE;1 200 szt.", "MUG-SAGE 1200"],
  ["an item that is not sold by the case", "SKU,Qty\nSOAP,2 boxes\nMUG-SAGE,6 boxes", "SOAP 2, MUG-SAGE 6", "MUG-SAGE 36 without B2"],
]) {
  test(`twelve of ${what} are pieces or cases, as the buyer says`, () => {
    const { question } = read(text);
    if (!cases) return assert.deepEqual([short(read(text)), question], [pieces, null]);
    const answered = (meaning) => short(read(text, { means: { [question.sign]: meaning } }));
    assert.deepEqual([answered("pieces"), answered("cases")], [pieces, cases]);
    assert.equal(read(text, { means: { [question.sign]: "unclear" } }).question, null, "asked once");
  });
}

test("a quantity with both signs says what each one means", () => {
  for (const [text, expected] of [
    ["SKU;Qty;ME\nSOAP;12,000;ST\nSOAP;1.200,000;ST\nSOAP;3.000;ST", "SOAP 12, SOAP 1200, SOAP 3000"],
    ["SKU;Qty\nSOAP;12.000\nSOAP;1,200.000", "SOAP 12, SOAP 1200"],
    ["SKU;Qty\nSOAP;2,500\nSOAP;1.200,000", "SOAP 1200 without B2"],
  ]) assert.deepEqual([short(read(text)), read(text).question], [expected, null], text);
  assert.ok(read("SKU;Qty;Price\nSOAP;12,000;1.200,00").question, "a price says nothing");
});

test("cases in the heading are asked about also where the column was chosen", () => {
  for (const heading of ["Menge (Kartons)", "Cases", "Antal kartonger", "Nb cartons"]) {
    const text = `Art.-Nr.,Name,${heading}\nMUG-SAGE,x,12`;
    const answers = read(text).question.columns ? { columns: { item: 0, quantity: 2 } } : {};
    assert.equal(short(read(text, { ...answers, means: { [read(text, answers).question.unit]: "cases" } })), "MUG-SAGE 72", heading);
  }
});

test("a row of sums is no line, and a line that a sum could hide stays one", () => {
  for (const [text, expected, sums] of [
    ["SKU,Name,Qty\nSOAP,,2\nSOAP,,3\n,Zwischensumme Filiale 1,5\nSOAP,,4\n,Zwischensumme Filiale 2,4\nGesamt,,9", "SOAP 2, SOAP 3, SOAP 4", 3],
    ["SKU,Qty\nSOAP,2\nNOPE,3\nTotal:,5", "SOAP 2 without A3", 1],
    ["SKU,Branch,Qty\nSOAP,Bonn,2\n,Ulm,3\nSOAP Ergebnis,,5\nGesamtergebnis,,5", "SOAP 2 without A3", 2],
    ["SKU;Qty\nSOAP;900\nSOAP;1.200\nRazem;2.100", "SOAP 900, SOAP 1200", 1],
    ["SKU,Name,Qty\nSOAP,,2\nSOAP,,3\n,Total care soap,4", "SOAP 2, SOAP 3 without A4", 0],
    ["SKU,Name,Qty\nSOAP,,2\nTC-1,Total care soap,2", "SOAP 2 without A3", 0],
    ["SKU,Name,Qty\nSOAP,Total care,2\nSOAP,Total care,2", "SOAP 2, SOAP 2", 0],
    ["SKU,Qty\nSOAP,2\nSOAP,3\n,5", "SOAP 2, SOAP 3 without A4", 0],
  ]) {
    const sheet = read(text, { means: { ".": "thousands" } });
    assert.deepEqual([short(sheet), sheet.sums], [expected, sums], text);
  }
});

test("rows that are the sums of their item's others are asked about", () => {
  const first = "SKU,Branch,Qty\nSOAP,all,36\nSOAP,Bonn,12\nSOAP,Ulm,24\nMUG-SAGE,all,6\nMUG-SAGE,Ulm,6";
  const last = "SKU,Branch,Qty\nSOAP,Bonn,12\nSOAP,Ulm,24\nSOAP,all,36\nMUG-SAGE,Ulm,6\nMUG-SAGE,all,6";
  for (const [text, row, others, lines] of [[first, 2, 1, "SOAP 12, SOAP 24, MUG-SAGE 6"], [last, 4, 1, "SOAP 12, SOAP 24, MUG-SAGE 6"]]) {
    const { question } = read(text);
    assert.deepEqual([question.totals, question.row, question.others], [true, row, others]);
    const answered = read(text, { totals: "sums" });
    assert.deepEqual([short(answered), answered.question, answered.sums], [lines, null, others + 1]);
    assert.equal(read(text, { totals: "lines" }).lines.length, text.split("\n").length - 1);
  }
  for (const plain of [
    "SKU,Qty\nSOAP,3\nSOAP,1\nSOAP,2", "SKU,Qty\nSOAP,2\nSOAP,2\nMUG-SAGE,6\nMUG-SAGE,6", "SKU,Qty\nSOAP,3\nSOAP,1\nSOAP,2\nMUG-SAGE,6", "SKU,Qty\nSOAP,3\nMUG-SAGE,6\nSOAP,1\nSOAP,2",
  ]) assert.equal(read(plain).question, null, plain);
});

test("of an order form, what is not ordered is counted and no mistake", () => {
  for (const none of ["", "0", "-", "0,00"]) {
    const form = ["SKU;Qty", ...Array(12).fill(`MUG-SAGE;${none}`), "SOAP;2", "SOAP;x", "SOAP;-2"].join("\n");
    const sheet = read(form);
    assert.deepEqual([short(sheet), sheet.unwanted], ["SOAP 2 without B15 without B16", 12], none);
    const few = read(form.replaceAll(`MUG-SAGE;${none}`, "SOAP;1").replace("SOAP;1", `SOAP;${none}`));
    assert.deepEqual([few.errors.map(({ row }) => row), few.unwanted], [[2, 15, 16], 0]);
  }
});

test("a heading with a number in it is one, where its columns were chosen", () => {
  assert.equal(short(read("SKU,KW 49,KW 50\nSOAP,2,3", { columns: { item: 0, quantity: 2 } })), "SOAP 3");
});

test("each row is taken, left out, or counted", () => {
  const { lines, errors, titles, blank } = read("Order form\nSOAP,9\nSKU,Qty,Note\nSOAP,2\nKitchen\n,,please hurry\n,,\nMUG-SAGE,7");
  assert.deepEqual([lines.map(({ row }) => row), errors.map(({ row }) => row), titles, blank], [[2, 4], [5, 8], ["Order form"], 1]);
});

test("items that stand beside each other are not passed over in silence", () => {
  const beside = "SKU,Qty,SKU,Qty\nSOAP,2,MUG-SAGE,6";
  assert.ok(read(beside).question.columns);
  const sheet = read(beside, { columns: { item: 0, quantity: 1 } });
  assert.deepEqual([short(sheet), sheet.unread], ["SOAP 2", [2]]);
});

test("of a thousand lists of many programs, each line is right once what was asked is answered", async () => {
  let state = 17;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const some = (values) => values[Math.floor(random() * values.length)];
  const maybe = (share) => random() < share;
  const names = ["Mug, sage", "Tasse „x“", '19" rack', "two\nlines", "", "a;b", "x|y", '"quoted"', "10", "1.5 l", "0.5", "tab\there", "Total"];
  for (let made = 0; made < 1_000; made += 1) {
    const [words, language] = [some(Object.values(WORDS)), some(["en", "de", "fr", "ja", "en-IN", "de-CH", "es", "ar"])];
    const format = new Intl.NumberFormat(language, { minimumFractionDigits: some([0, 0, 2]), useGrouping: maybe(0.7) });
    const columns = ["item", "quantity", ...["name", "price", "place", "unit"].filter(() => maybe(0.4))].sort(() => random() - 0.5);
    const headings = { item: some(words.item), quantity: some(words.quantity), name: "Name", price: "Price", place: "Pos", unit: "Unit" };
    const rows = [...maybe(0.2) ? [["Order form"], []] : [], ...maybe(0.8) ? [columns.map((column) => headings[column])] : []];
    const expected = [];
    for (let left = 1 + Math.floor(random() * 6); left > 0; left -= 1) {
      const [sku, quantity] = [some(["SOAP", "jug-clay", "Vase-Sea", "00123", "20010"]), some([1, 12, 120, 1200, 6_000, 12_000])];
      const cell = {
        item: sku, quantity: format.format(quantity), name: some(names), price: format.format(some([7, 3.5, 1200])), place: String(left), unit: some(["Stk", "pcs"]),
      };
      expected.push(`${sku} ${quantity}`);
      rows.push(columns.map((column) => cell[column]), ...maybe(0.1) ? [columns.map(() => "")] : []);
    }
    const separator = some([",", ";", "\t", "|"]);
    const text = rows.map((row) => written(row, separator)).join(some(["\n", "\r\n", "\r"]));
    const { texts } = await contentOf(some([
      () => bytes(text), () => bytes(`\ufeff${text}`), () => bytes(`\ufeff${text}`, "utf16le"),
      () => (/^[\0-\x7f\xa0-\xff]*$/.test(text) ? bytes(text, "latin1") : bytes(text)),
    ])());

    const answers = { means: {} };
    let sheet = read(texts, answers);
    for (; sheet.question; sheet = read(texts, answers)) {
      const { sign, totals } = sheet.question;
      assert.ok(!totals, JSON.stringify(text));
      const isDecimal = new Intl.NumberFormat(language).formatToParts(1.5).some(({ value }) => value === sign);
      if (sign) answers.means[sign] = isDecimal ? "decimals" : "thousands";
      else answers.columns = { item: columns.indexOf("item"), quantity: columns.indexOf("quantity") };
    }
    assert.equal(short(sheet), expected.join(", "), JSON.stringify(text));
  }
});

test("what was left out can be read again, below its heading", () => {
  const sheet = read('sep=;\nTitle\nMenge;Notiz;Artikel\n7;"a; ""b""\nc";MUG-SAGE\n2;;SOAP');
  const text = remainder(sheet.table, sheet, [...sheet.lines, ...sheet.errors]);
  assert.equal(text, 'sep=;\nMenge;Notiz;Artikel\n7;"a; ""b""\nc";MUG-SAGE\n2;;SOAP');
  assert.equal(short(read(text)), "SOAP 2 without A2");
  const tabs = remainder(sheet.table, sheet, sheet.errors, "\t");
  assert.deepEqual(cells(tabs, "\t"), [["Menge", "Notiz", "Artikel"], ["7", 'a; "b"\nc', "MUG-SAGE"]]);
});

test("a list of far more rows than an order has lines is refused as a whole", () => {
  assert.match(read("SOAP,1\n".repeat(80_000)).refusal, /80,000 rows.*2,000 lines/);
  assert.equal(read("SOAP,1\n".repeat(5_000)).lines.length, 5_000);
});

test("a sku is found as the store writes it, unless it could be two", () => {
  assert.equal(short(read("JUG-CLAY,1\nVASE-SEA,3\nvase-sea,6")), "jug-clay 1, Vase-Sea 3, Vase-Sea 6");
  const odd = new Map([["A  1", { sku: "A  1" }]]);
  assert.equal(goodOf("a 1", odd).sku, "A  1");
  const twins = new Map([["ab", { sku: "ab" }], ["AB", { sku: "AB" }]]);
  assert.deepEqual([goodOf("AB", twins)?.sku, goodOf("Ab", twins)], ["AB", null]);
});

test("an unknown sku is asked about if it is nearly one that is sold", () => {
  for (const [sku, question] of [
    ["MUG_SAGE", "Is it MUG-SAGE?"], ["mug sage", "Is it MUG-SAGE?"], ["MUG-SAGEE", "Is it MUG-SAGE?"], ["MUG-SAG", "Is it MUG-SAGE?"],
    ["MGU-SAGE", "Is it MUG-SAGE?"], ["MUG-SAXE", "Is it MUG-SAGE?"], ["OLDD", "Check how it is spelt."], ["MUG-SEA", "Check how it is spelt."], ["-", "Check how it is spelt."],
  ]) assert.ok(read(`SKU,Qty\n${sku},6\nSOAP,1`).errors[0].problem.endsWith(`catalogue. ${question}`), sku);
});

test("a line that is separated otherwise than the others is no heading", () => {
  for (const line of ["SOAP,2", "SOAP 2", "2;SOAP", "SOAP    2"]) {
    const sheet = read(`${line}\nMUG-SAGE\t6\nSOAP\t1`);
    assert.deepEqual([short(sheet), sheet.question], ["SOAP 2, MUG-SAGE 6, SOAP 1", null], line);
  }
  assert.equal(short(read("SKU     Qty\nSOAP      2\nMUG-SAGE  6")), "SOAP 2, MUG-SAGE 6 without A1");
});

test("a sku that comes twice stays twice, in the buyer's order", () => {
  assert.equal(short(read("SOAP,1\nMUG-SAGE,6\nSOAP,2")), "SOAP 1, MUG-SAGE 6, SOAP 2");
});

class Storage {
  items = new Map();
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) { this.items.set(key, value); }
  removeItem(key) { this.items.delete(key); }
}

const SOAP = { sku: "SOAP", name: "Soap", prices: { "retail GBP": 350, "wholesale GBP": 175 } };

test("a basket's order keeps its id until it is ordered, in every tab", () => {
  const storage = new Storage();
  const [one, other] = [new Basket("retail", storage), new Basket("retail", storage)];
  one.add(SOAP, 2);
  const now = Date.now();
  assert.equal(one.orderId(now, "GBP 700"), other.orderId(now + 1_000, "GBP 700"));
  one.empty();
  other.add(SOAP, 1);
  assert.notEqual(one.orderId(now + 2_000, "GBP 350"), other.orderId(now + 4_000_000, "GBP 350"));
});

test("another sum has another id, whose time its prices are of", () => {
  const basket = new Basket("retail", new Storage());
  const now = Date.now();
  const first = basket.orderId(now, "GBP 700");
  const second = basket.orderId(now + 1_000, "GBP 750");
  assert.notEqual(first, second);
  assert.equal(timeOf(second), now + 1_000);
});

test("an id that has grown old, or came from a wrong clock, is made anew", () => {
  const basket = new Basket("retail", new Storage());
  const now = Date.now();
  basket.orderId(now + 600_000, "");
  assert.equal(timeOf(basket.orderId(now, "")), now);
  assert.equal(timeOf(basket.orderId(now + 7_200_000, "")), now + 7_200_000);
});

test("a line remembers its name and what it cost, on its own channel", () => {
  const basket = new Basket("retail", new Storage());
  basket.add(SOAP, 2);
  basket.add({ ...SOAP, prices: { "retail GBP": 400 } }, 1);
  assert.deepEqual(basket.lines, [{ sku: "SOAP", quantity: 3, name: "Soap", seen: { "retail GBP": 350 } }]);
});

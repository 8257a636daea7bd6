/** The text of a file that a spreadsheet program wrote, or what such a file is instead. */

const FILE_BYTES_MAX = 5_000_000;
/** Programs that do not write UTF-8 write what is usual where they run. The first that fits best is taken. */
const ENCODINGS = [
  "windows-1252", "shift_jis", "gb18030", "big5", "euc-kr", "windows-1250", "windows-1251",
  "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "macintosh",
];
const OTHERS = [
  [/^\xd0\xcf\x11\xe0/, "an old Excel workbook (.xls)"],
  [/^%PDF/, "a PDF"],
  [/^{\\rtf/, "a text document"],
  [/^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|table|\?xml|head|meta)/i, "a web page or an XML file, whatever its name says"],
];

/** An .xlsx with a password is a compound file (MS-CFB) with a stream of this name (MS-OFFCRYPTO). */
const LOCKED = /^\xd0\xcf\x11\xe0[^]*E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0/;

const refused = (what) => ({
  refusal: `This is ${what}. Open it in a spreadsheet program, save it as “CSV UTF-8” or as .xlsx, and choose that file.`,
});

/**
 * @param {Blob} file
 * @returns {Promise<{texts: string[]} | {sheets: {name: string, rows: object[]}[]} | {refusal: string}>}
 *   one text in each encoding that is possible
 */
export async function contentOf(file) {
  if (file.size > FILE_BYTES_MAX) {
    return { refusal: `This file has ${(file.size / 1e6).toFixed(1)} MB, and a list may have ${FILE_BYTES_MAX / 1e6} MB. Save only the sheet with the order, without pictures.` };
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return { refusal: "This can't be read. If it is a folder, choose the file in it; if another program has it open, close it there. Then choose it again." };
  }
  const begin = String.fromCharCode(...bytes.subarray(0, 1_000));
  if (begin.startsWith("PK\x03\x04")) {
    let reader;
    try {
      reader = await import("./workbook.js");
    } catch {
      return { refusal: "A workbook can't be read without a connection to the store. Try again, or save the list as CSV." };
    }
    const { sheets, other } = await reader.sheetsOf(bytes);
    return sheets ? { sheets } : refused(other);
  }
  if (LOCKED.test(new TextDecoder("latin1").decode(bytes))) {
    return { refusal: "This workbook has a password. Open it in its program, save it without one, and choose it again." };
  }
  const [, other] = OTHERS.find(([pattern]) => pattern.test(begin)) ?? [];
  if (other) return refused(other);
  const wide = wideOf(begin);
  if (!wide && /[\0-\x08\x0e-\x1a]/.test(begin)) return refused("not a text");
  const texts = (wide ? [wide] : ["utf-8"]).flatMap((encoding) => decoded(bytes, encoding));
  return { texts: texts.length ? texts : ENCODINGS.flatMap((encoding) => decoded(bytes, encoding)) };
}

/** UTF-16, by its mark or by the zeros of its Latin letters. */
function wideOf(begin) {
  if (begin.startsWith("\xff\xfe")) return "utf-16le";
  if (begin.startsWith("\xfe\xff")) return "utf-16be";
  const zeros = [0, 0];
  for (let at = 0; at < begin.length; at += 1) if (begin[at] === "\0") zeros[at % 2] += 1;
  if (Math.min(...zeros) > 0 || Math.max(...zeros) * 8 < begin.length) return null;
  return zeros[1] > zeros[0] ? "utf-16le" : "utf-16be";
}

function decoded(bytes, encoding) {
  try {
    return [new TextDecoder(encoding, { fatal: true }).decode(bytes)];
  } catch {
    return [];
  }
}

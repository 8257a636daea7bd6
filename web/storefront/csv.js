/**
 * Values that are separated by a character, as RFC 4180 has them, and as programs and people write
 * them besides: any line ends, blanks around quotes, another separator, quotes that are none.
 */

const BLANKS_AND_QUOTE = /[ \u00a0]*"/y;

/**
 * `raw` is a record as it is written, without its line end. A record may have line breaks in it.
 *
 * @returns {{cells: string[], raw: string}[]} an empty line is a record of one empty cell
 */
export function records(text, separator) {
  const end = new RegExp(`[\\r\\n\\u{${separator.codePointAt(0).toString(16)}}]`, "gu");
  const found = [];
  let cells = [];
  let begin = 0;
  for (let at = 0; begin < text.length;) {
    const quoted = quotedCell(text, at, separator);
    end.lastIndex = quoted?.end ?? at;
    const stop = end.exec(text)?.index ?? text.length;
    cells.push(quoted?.cell ?? text.slice(at, stop));
    at = stop + (text.startsWith("\r\n", stop) ? 2 : 1);
    if (text[stop] === separator) continue;
    found.push({ cells, raw: text.slice(begin, stop) });
    cells = [];
    begin = at;
  }
  return found;
}

/**
 * The cell in quotes that begins here. Null if there is none: a quote that is never closed, or that
 * is closed in the middle of a cell (`"19" rack`), is a character as any other. Else it would
 * swallow the lines up to the next one.
 */
function quotedCell(text, at, separator) {
  BLANKS_AND_QUOTE.lastIndex = at;
  if (!BLANKS_AND_QUOTE.test(text)) return null;
  const from = BLANKS_AND_QUOTE.lastIndex;
  let close = text.indexOf('"', from);
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
  if (close < 0) return null;
  let end = close + 1;
  while (text[end] === " " || text[end] === "\u00a0") end += 1;
  if (end < text.length && ![separator, "\r", "\n"].includes(text[end])) return null;
  return { cell: text.slice(from, close).replaceAll('""', '"'), end };
}

/** A record as RFC 4180 writes it. */
export function written(cells, separator) {
  return cells.map((cell) => (cell.includes('"') || cell.includes(separator) || /[\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(separator);
}

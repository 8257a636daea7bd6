/**
 * What people write in names and addresses: the order service's own rule (src/orders/domain/text.py),
 * so that what a form lets through is never refused after the customer has paid. Both are tested with
 * docs/contracts/vectors/text.json.
 */

/** Characters are code points. */
export const CHARACTERS_MAX = 200;

const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
const DROPPED = /[\u00ad\u202a-\u202e\u2066-\u2069\ufeff]/g;
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff\ufffe\uffff]/u;
const VISIBLE = /[^ \u061c\u180e\u200b-\u200f\u2060-\u206f\u{e0000}-\u{e007f}]/u;

/** The text as the service stores it, empty if nothing of it can be seen. */
export function normalised(text) {
  const plain = text.replace(SPACES, " ").replace(DROPPED, "").replace(/^ +| +$/g, "");
  return VISIBLE.test(plain) ? plain : "";
}

/** Japanese keyboards write １０１－００４１ for 101-0041. */
export const halfWidth = (text) => text.replace(/[\uff01-\uff5e]/g, (char) => (
  String.fromCharCode(char.charCodeAt(0) - 0xfee0)
));

/** Why a text can't be stored, as a message for its field; null for a good one, and for none. */
export function textProblem(label, text) {
  if (REFUSED.test(text)) return `${label}: on one line, please, without tabs or control characters.`;
  if ([...normalised(text)].length <= CHARACTERS_MAX) return null;
  return `${label}: up to ${CHARACTERS_MAX} characters, no line breaks.`;
}

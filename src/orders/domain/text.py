"""Names and addresses hold what people's keyboards make, in any script.

One rule for intake and for whatever form a customer fills in: docs/contracts/vectors/text.json has
its examples, which this module and the storefront's text.js are both tested with. It names code
points and asks for no character's category, so that a form and a service with older tables than
the customer's keyboard take the same letters and the same emoji.

Nothing that 0.2.0 accepted is refused here (it took what `str.isprintable` takes): a retry of a
stored order must stay a retry.
"""

from __future__ import annotations

import re

TEXT_MAX = 200

_SPACES = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
# Soft hyphens and byte order marks say nothing. Embeddings, overrides and isolates would turn what
# stands after the text on a label or a page; a telephone's address book puts them around numbers.
_DROPPED = (0xAD, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_TABLE: dict[int, str | None] = {**dict.fromkeys(_SPACES, " "), **dict.fromkeys(_DROPPED)}

# Control characters, line and paragraph separators, lone surrogates, and the two other characters
# that XML cannot hold: many a carrier's interface is XML.
REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
# Joiners, direction marks and the like: they belong to their neighbours, and alone are nothing.
_UNSEEN = "\u061c\u180e\u200b-\u200f\u2060-\u206f\U000e0000-\U000e007f"
_VISIBLE = re.compile(f"[^ {_UNSEEN}]")
_INVISIBLE = re.compile(f"[{_UNSEEN}]")


def normalised(text: str) -> str:
    """The text as it is stored: with plain spaces, none at the ends, and without what says nothing.

    The empty text if nothing of it can be seen.
    """
    if not text.isascii():
        text = text.translate(_TABLE)
    text = text.strip(" ")
    return text if _VISIBLE.search(text) else ""


def seen(text: str) -> str:
    """The text without what cannot be seen in it."""
    return _INVISIBLE.sub("", text)


def is_text(text: str) -> bool:
    """Whether a normalised text can be stored: one line, not empty, at most `TEXT_MAX` characters.

    A character is a code point: in JavaScript `[...text].length`.
    """
    return 0 < len(text) <= TEXT_MAX and not REFUSED.search(text)

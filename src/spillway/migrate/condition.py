"""The operator's own SQL condition on the old table's rows: what may stand in it.

It becomes a part of every statement that reads the old table, in parentheses of ours. So it must
not end them, nor hide what follows. And it must depend on nothing but the row: the binary log
reports when a row changes, not when the clock or another table does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: As MySQL reads it with an empty sql_mode. A quote that nothing closes is a token of its own.
_TOKEN = re.compile(
    r"""
      '(?:[^'\\]|\\.|'')*'
    | "(?:[^"\\]|\\.|"")*"
    | `[^`\0]+` (?P<quoted> \s*\( )?
    | (?P<word> [^\W\d][\w$]* ) (?P<call> \s*\( )?
    | -- | /\* | \*/
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
_NEVER = {
    ";": "a semicolon",
    "#": "a comment",
    "--": "a comment",
    "/*": "a comment",
    "*/": "a comment",
    "@": "a variable",
    "\0": "a NUL",
    "'": "a quote that nothing closes",
    '"': "a quote that nothing closes",
    "`": "a quote that nothing closes",
}
_OTHER_ROWS = frozenset({"select", "table", "values", "with"})
#: Not the same at every moment or for every session.
_UNSTEADY = _words(
    """
    benchmark connection_id curdate current_date current_role current_time current_timestamp
    current_user curtime database found_rows get_lock last_insert_id localtime localtimestamp
    nextval lastval now rand random_bytes row_count schema session_user sleep sysdate system_user
    unix_timestamp user utc_date utc_time utc_timestamp uuid uuid_short
    """
)
#: Some of them do without parentheses.
_BARE = _words(
    """
    current_date current_role current_time current_timestamp current_user localtime localtimestamp
    utc_date utc_time utc_timestamp
    """
)
#: What may be followed by a parenthesis: words of SQL, types, and functions of their arguments.
_STEADY = _words(
    """
    and as between binary by case div else end escape in interval is like mod not or regexp rlike
    then when xor
    char date datetime decimal time year
    abs ascii bit_count cast ceil ceiling char_length character_length coalesce concat concat_ws
    convert crc32 date_add date_format date_sub datediff day dayofmonth dayofweek elt field
    find_in_set floor format from_unixtime greatest hex hour if ifnull instr isnull json_contains
    json_contains_path json_exists json_extract json_length json_type json_unquote json_valid
    json_value last_day lcase least left length locate lower lpad ltrim md5 mid minute month
    nullif octet_length ord position quarter regexp_instr regexp_like regexp_replace regexp_substr
    repeat replace reverse right round rpad rtrim second sha1 sha2 sign space str_to_date strcmp
    substr substring substring_index time_to_sec timestampdiff to_days trim truncate ucase unhex
    upper week weekday
    """
)


def checked(condition: str) -> str:
    """The condition. Raises ValueError with what is wrong with it."""
    depth = 0
    if not condition.strip():
        raise ValueError("where is empty: leave it out to take every row")
    for token in _TOKEN.finditer(condition):
        text, word = token[0], (token["word"] or "").lower()
        if text in _NEVER:
            raise ValueError(f"where has {_NEVER[text]}: one condition, and nothing else")
        if word in _OTHER_ROWS:
            raise ValueError(
                f"where says {word.upper()}: only the row's own columns count, because changes"
                " elsewhere would not be followed"
            )
        if word in _BARE or (token["call"] and word not in _STEADY):
            raise ValueError(
                f"where calls {word.upper()}: it must say the same of a row until the row changes"
            )
        if token["quoted"]:
            raise ValueError("where calls a function by a quoted name")
        depth += (text == "(" or token["call"] is not None) - (text == ")")
        if depth < 0:
            break
    if depth:
        raise ValueError("where has a parenthesis too many or too few")
    return condition


def unsteady(query: str) -> Iterator[str]:
    """What a query of the operator's own, such as a view's, calls that changes by itself."""
    for token in _TOKEN.finditer(query):
        word = (token["word"] or "").lower()
        # Of a column's time it says the same each time.
        of_now = word != "unix_timestamp" or query[token.end() :].lstrip().startswith(")")
        if word in _BARE or (token["call"] and word in _UNSTEADY and of_now):
            yield word.upper()

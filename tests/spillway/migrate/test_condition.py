"""What may stand in source.where: one condition on a row, and nothing that could be more."""

from __future__ import annotations

import pytest

from spillway.migrate.condition import checked, unsteady


@pytest.mark.parametrize(
    "condition",
    [
        "deleted_at IS NULL AND kind = 'invoice'",
        "invoice NOT LIKE 'C%' ESCAPE '|' AND `odd; name` <> ';--'",
        "status IN ('paid', 'it''s', 'a\\'(', \"#\") OR (flags & 4) > 0",
        "COALESCE(kind, 'x') <> 'cart' AND placed_at >= DATE '2019-01-01' - INTERVAL 1 DAY",
        "CASE WHEN kind = 1 THEN 1 ELSE 0 END\nAND CAST(total AS DECIMAL(10, 2)) > (0)",
        "json_unquote(json_extract(extra, '$.type')) = 'order' AND user <> 1 AND a - -1 > 0",
        "zahlstatus = 'geprüft' AND `größe` > 1 AND größe > 1",
    ],
)
def test_a_condition_on_the_rows_own_columns_is_taken_as_it_is(condition: str) -> None:
    assert checked(condition) == condition


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a = 1) OR (1 = 1", "parenthesis"),
        ("(a = 1", "parenthesis"),
        ("a = 1)", "parenthesis"),
        ("COALESCE(a, 1", "parenthesis"),
        ("a = 1 --", "comment"),
        ("a = 1 --b", "comment"),
        ("a = 1 # b", "comment"),
        ("a = 1 /* b", "comment"),
        ("a = 1 /*! OR 1 */", "comment"),
        ("a = 1; DROP TABLE orders", "semicolon"),
        ("a = 'b", "quote"),
        ("a = 'b\\'", "quote"),
        ('a = "b', "quote"),
        ("`a = 1", "quote"),
        ("a = 'b' AND c = '''", "quote"),
        ("a = @b", "variable"),
        ("a = @@server_id", "variable"),
        ("a IN (SELECT id FROM drafts)", "SELECT"),
        ("a IN (TABLE drafts)", "TABLE"),
        ("placed_at > NOW() - INTERVAL 1 YEAR", "NOW"),
        ("placed_at > now ()", "NOW"),
        ("placed_at > Current_Timestamp", "CURRENT_TIMESTAMP"),
        ("placed_at > UNIX_TIMESTAMP()", "UNIX_TIMESTAMP"),
        ("RAND() < 0.5", "RAND"),
        ("is_an_order(id)", "IS_AN_ORDER"),
        ("shop.is_an_order(id)", "IS_AN_ORDER"),
        ("shop.`is_an_order`(id)", "quoted name"),
    ],
)
def test_what_could_be_more_than_that_is_refused_with_its_reason(
    condition: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        checked(condition)


def test_what_changes_by_itself_is_found_in_a_query() -> None:
    query = "select `o`.`now` from `o` where `at` < current_timestamp() and `x` = lower('rand()')"
    assert list(unsteady(query)) == ["CURRENT_TIMESTAMP"]
    assert list(unsteady("select rand (), utc_date")) == ["RAND", "UTC_DATE"]
    assert list(unsteady("select unix_timestamp(`at`), unix_timestamp( )")) == ["UNIX_TIMESTAMP"]

"""What a merchant writes is what orders are priced by, or it is a fault with its line."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from orders.domain.book import Article, Coupon, DeliveryRate, Tax
from orders.domain.coupon_codes import code_of
from orders.domain.refusals import SKU_MAX
from spillway.price_book import BookFaulty, read
from spillway.price_book.articles import ARTICLES_MAX
from spillway.price_book.faults import LISTED_MAX
from tests.spillway.price_book.files import ARTICLES, RULES, written


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def faults(path: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(BookFaulty) as raised:
        read(path)
    return [(fault.file, fault.line, fault.sentence) for fault in raised.value.faults]


def line_of(text: str, within: str) -> int:
    return within[: within.index(text)].count("\n") + 1


def test_every_field_becomes_what_orders_are_priced_by(tmp_path: Path) -> None:
    book = read(written(tmp_path))
    assert book.rules.price_lists == ("retail GBP", "wholesale GBP")
    assert book.rules.tax_classes == ("standard", "reduced")
    assert book.rules.delivery == {
        "retail GB GBP": DeliveryRate("subtotal", ((0, 395),), 6_000),
        "wholesale GB GBP": DeliveryRate("weight", ((0, 1_500), (10_000, 2_500))),
    }
    tax = Tax(included=True, rates=(200_000, 50_000), delivery_rate=200_000)
    assert book.rules.taxes == {"retail GB": tax, "wholesale GB": tax}
    assert book.rules.coupons == {
        "WELCOME10": Coupon(
            "WELCOME10",
            ("retail",),
            rate=125_000,
            minimum={"GBP": 2_000},
            goods=("MUG*", "BOOK"),
            begins=at("2026-12-01T00:00:00+00:00"),  # type: ignore[arg-type]
            # All of the 24th: until is what people mean by it.
            ends=at("2026-12-25T00:00:00+00:00"),  # type: ignore[arg-type]
        )
    }
    assert book.articles == {
        "MUG-SAGE": Article("MUG-SAGE", (1_400, (1, 700, 48, 650)), 0, 400, 6),
        "BOOK": Article(
            "BOOK",
            (1_500, None),
            1,
            250,
            1,
            at("2026-12-01T07:00:00+00:00"),  # type: ignore[arg-type]
            at("2027-01-01T00:00:00+00:00"),  # type: ignore[arg-type]
        ),
    }
    assert book.shown == {"MUG-SAGE": {"name": "Mug, sage"}}


def test_yen_have_no_decimals_and_dinars_three(tmp_path: Path) -> None:
    csv = (
        "sku,tax_class,weight_g,wholesale_GBP,retail_JPY,retail_KWD\n"
        "MUG,standard,1,1.00,1400,1.250\n"
    )
    rules = RULES.partition("[[coupon]]")[0]
    rules = rules.replace("GBP = 3.95", "JPY = 500, KWD = 0.500").replace(
        "GBP = 60.00", "JPY = 9000"
    )
    book = read(written(tmp_path, rules=rules, articles=csv))
    assert book.articles["MUG"].prices == (100, 1_400, 1_250)
    assert book.rules.delivery["retail GB JPY"].free_from == 9_000


@pytest.mark.parametrize(
    "places",
    [
        'states = ["US-CA", "US-OR"]',  # each state that is sold to, and not the country
        'countries = ["*"]',  # for all that no other entry names
    ],
)
def test_a_country_is_taxed_by_its_states_or_as_everywhere_else(
    tmp_path: Path, places: str
) -> None:
    tax = RULES[RULES.index("[[tax]]") : RULES.index("[[coupon]]")]
    more = tax.replace('countries = ["GB"]', f'channel = "retail"\n{places}')
    book = read(
        written(
            tmp_path,
            ('countries = ["GB"]\nprice', 'countries = ["GB", "US"]\nprice'),
            ("[[coupon]]", f"{more}[[coupon]]"),
        )
    )
    assert book.rules.tax("retail", "US", "CA") is not None


def test_what_spreadsheets_add_is_taken_out(tmp_path: Path) -> None:
    plain = read(written(tmp_path))
    marked = b"\xef\xbb\xbf" + ARTICLES.replace("\n", "\r\n").encode()
    assert read(written(tmp_path, articles=marked)) == plain


def test_a_book_may_have_several_files_of_articles(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ('articles = "articles.csv"', 'articles = ["articles.csv", "more.csv"]'),
        ("GBP = 15.00", "GBP = 15.00, EUR = 18.00"),
        ("GBP = 25.00", "GBP = 25.00, EUR = 30.00"),
        files={"more.csv": "sku,tax_class,weight_g,wholesale_EUR\nCARD,reduced,5,2.50\n"},
    )
    book = read(path)
    assert book.rules.price_lists == ("retail GBP", "wholesale GBP", "wholesale EUR")
    assert book.articles["CARD"] == Article("CARD", (None, None, 250), 1, 5)
    assert book.articles["MUG-SAGE"].prices[2] is None


SECOND = '[[coupon]]\nchannels = ["retail"]\npercent = 5\ncode = '
#: Two operations each in the transaction of an order that has all of them, and the order's own.
COMBINING = "".join(
    f'[[coupon]]\ncode = "C{number}"\nchannels = ["retail"]\npercent = 1\ncombines = true\n'
    "once_per_customer = true\nlimit = 5\n"
    for number in range(50)
)
CAMPAIGN = (
    '[[coupon]]\ncode = "SPRING"\nchannels = ["retail"]\npercent = 5\nsingle_use_codes = true\n'
)


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        # Articles
        ("BOOK,,", "MUG-SAGE,,", "duplicate"),
        ("14.00", "14.000", "2 decimals"),
        ("14.00", "14", "2 decimals"),
        ("14.00", "14.", "2 decimals"),
        ("14.00", ".14", "2 decimals"),
        ("14.00", "-14.00", "'-14.00'"),
        ("14.00", "1e3", "'1e3'"),
        ("14.00", "£14.00", "'£14.00'"),
        ("14.00", "\u0661\u0664.00", "isn't an amount"),
        ("14.00", '"14,00"', "'14,00'"),
        ("14.00", "1000000.01", "more than"),
        ("14.00,7.00,6.50", ",,", "no price at all"),
        ("6.50", "7.00", "not below"),
        ("6.50", "7.50", "not below"),
        ("7.00,6.50", ",6.50", "none from 1"),
        ("MUG-SAGE,", f"{'M' * 65},", "1 to 64"),
        ("MUG-SAGE,", "MUG\u2028SAGE,", "printable"),
        ("MUG-SAGE,", "MUG-SAGE ,", "no space"),
        ("MUG-SAGE,", ",", "1 to 64"),
        ('sage",standard', 'sage",normal', "no tax class 'normal'"),
        ('sage",standard', 'sage",', "no tax class ''"),
        ("400", "", "whole number"),
        ("400", "0.4", "whole number"),
        ("400,6", "400,0", "whole number"),
        ("400,6", "400,-6", "whole number"),
        ("2026-12-31,15", "2026-11-31,15", "'2026-11-31'"),
        ("2026-12-31,15", "9999-12-31,15", "millennium"),
        ("2026-12-31,15", "0001-01-01T00:00:00Z,15", "millennium"),
        ("2026-12-31,15", "2026-W53-1,15", "'2026-W53-1'"),
        ("2026-12-31,15", "31.12.2026,15", "'31.12.2026'"),
        ("2026-12-31,15", "2026-12-31T12:00:00,15", "no time zone"),
        ("2026-12-31,15", "2026-11-30,15", "before it begins"),
        ("15.00,,", "15.00,", "9 cells"),
        ("sku,name", "code,name", "'code'"),
        ("name,tax", "nmae,tax", "'nmae'"),
        ("retail_GBP", "retail_GPB", "no currency GPB"),
        ("retail_GBP", "wholesale_GBP", "two columns"),
        ("retail_GBP", "Retail_GBP", "'Retail_GBP'"),
        ("retail_GBP,wholesale_GBP,", "retail_GBP,retail_GBP_from_6,", "no column"),
        ("wholesale_GBP_from_48", "wholesale_GBP_from_1", "wholesale_GBP itself"),
        ('"Mug, sage"', '"Mug, sage', "no CSV"),
        ('"Mug, sage"', '"Mug,\nsage"', "line break"),
        ('"Mug, sage"', "Mug\x07", "U+0007"),
        # What is before the tables
        ('"Europe/London"', '"London"', "'London'"),
        ("timezone", "time_zone", "'time_zone'"),
        ('articles = "articles.csv"', "articles = 3", "articles"),
        ('articles = "articles.csv"', "articles = []", "no file"),
        ('articles = "articles.csv"', 'articles = "none.csv"', "cannot be read"),
        ('articles = "articles.csv"', 'articles = "a\\u0000.csv"', "cannot be read"),
        ('["standard", "reduced"]', '["standard", "reduced", "standard"]', "twice"),
        ('columns = ["name"]', 'columns = ["name", "case"]', "'case'"),
        ('columns = ["name"]', 'columns = ["name", "prices"]', "'prices'"),
        # Delivery
        ('countries = ["GB"]\nprice', 'countries = ["UK"]\nprice', "'UK'"),
        ('countries = ["GB"]\nprice', 'countries = ["GB", "FR"]\nprice', "no tax for it"),
        ('countries = ["GB"]\nprice', 'countries = ["GB", "*"]\nprice', "no tax for it"),
        ("GBP = 3.95 }", "GBP = 3.95, EUR = 4.95 }", "no price list retail in EUR"),
        ("GBP = 3.95 }", "GBP = 3.950 }", "2 decimals"),
        ("GBP = 3.95 }", "GBP = -3.95 }", "'-3.95'"),
        ("GBP = 3.95 }", "GBP = nan }", "'nan'"),
        ('"retail"\ncountries', '"shop"\ncountries', "shop"),
        ('"wholesale"\ncountries', '"retail"\ncountries', "already"),
        ("price = { GBP = 3.95 }", "", "either"),
        ("from_g = 0", "from_g = 5", "not from 0"),
        ("from_g = 10_000", "from_g = 0", "begin above"),
        ("from_g = 10_000", "from = { GBP = 100.00 }", "from_g"),
        ("GBP = 15.00", "", "Not every band"),
        ("free_from = ", "free_form = ", "'free_form'"),
        # Tax
        ('["GB"]\nincluded', '["GB", "FR"]\nincluded', "no delivery"),
        ('["GB"]\nincluded', '["GB", "*"]\nincluded', "no delivery"),
        ('["GB"]\nincluded', '["*"]\nstates = ["USCA"]\nincluded', "'USCA'"),
        ("standard = 20,", "standard = 120,", "0 to 100"),
        ("standard = 20,", "standard = 20.00001,", "4 decimals"),
        ("standard = 20,", "", "no rate for the tax class 'standard'"),
        ("standard = 20,", "standard = 20, zero = 0,", "no tax class 'zero'"),
        ('delivery = "standard"', 'delivery = "normal"', "'normal'"),
        ("included = true", 'included = "yes"', "true or false"),
        ("included = true\n", "", "'included'"),
        ("included = true", 'included = true\nrounding = "up"', "up"),
        # Coupons
        ("percent = 12.5", "percent = 0", "0 to 100"),
        ("percent = 12.5", "percent = 101", "0 to 100"),
        ("percent = 12.5", "percent = 1e9999999", "isn't a percentage"),
        ("until = 2026-12-24", f"limit = {'9' * 5_000}", "too long"),
        ("until = 2026-12-24", f"until = {'[' * 3_000}{']' * 3_000}", "within one another"),
        ("percent = 12.5", "", "either"),
        ("percent = 12.5", "percent = 10\namounts = { GBP = 5.00 }", "either"),
        ("minimum = { GBP = 20.00 }", "minimum = { EUR = 20.00 }", "EUR"),
        ('"MUG*"', '"JUG*"', "'JUG*'"),
        ('"BOOK"', '"BOOKS"', "'BOOKS'"),
        ("until = 2026-12-24", "until = 2026-11-24", "before it begins"),
        ("until = 2026-12-24", "until = 2026-12-24T10:00:00", "no time zone"),
        ("until = 2026-12-24", "limit = 0", "limit"),
        ('"WELCOME10"', '"WELCOME 10 "', "no space"),
        ("[[coupon]]", f'{SECOND}"WELCOME10"\n[[coupon]]', "already"),
        ('"WELCOME10"', '"Welcome10"', "'WELCOME10'"),
        ('"WELCOME10"', '"CAFE\u0301"', "'CAF\u00c9'"),
        ('"WELCOME10"', '"GRU\u00df10"', "'GRUSS10'"),
        ("[[coupon]]", f'{CAMPAIGN}{SECOND}"SPRING-2027"\n[[coupon]]', "single-use code"),
        ("[[coupon]]", f"{CAMPAIGN.replace('SPRING', 'S' * 49)}[[coupon]]", "too long"),
        ("[[coupon]]", f"{COMBINING}[[coupon]]", "100 limits"),
        ("[[coupon]]", "[coupon]", "double brackets"),
        ("[[coupon]]", "[[coupons]]", "'coupons'"),
        ("[[coupon]]", "[[coupon]", "no TOML"),
    ],
)
def test_a_fault_is_one_sentence_with_its_line(
    tmp_path: Path, old: str, new: str, fact: str
) -> None:
    found = faults(written(tmp_path, (old, new)))
    file, line, sentence = next(one for one in found if fact in one[2])
    assert len(found) <= (2 if old in ("sku,name", "minimum = { GBP = 20.00 }") else 1), found
    assert "\n" not in sentence
    if line is None:
        assert "cannot be read" in sentence or file == "book.toml"
        return
    content = (tmp_path / file).read_text("utf-8").splitlines()
    before = content[: line_of(old, RULES if old in RULES else ARTICLES)]
    heading = max(
        place for place, text in enumerate(["[[", *before]) if re.match(r"\[\[[^.]*$", text)
    )
    last = len(before) + new.count("\n")
    assert (1 if file == "articles.csv" else heading) <= line <= last, (heading, line, last)


def test_the_longest_code_of_a_campaign_can_be_ordered_with(tmp_path: Path) -> None:
    campaign = "S" * 48
    table = CAMPAIGN.replace("SPRING", campaign)
    book = read(written(tmp_path, ("[[coupon]]", f"{table}[[coupon]]")))
    assert campaign in book.rules.coupons
    assert len(code_of(campaign, 0, b"key")) == SKU_MAX


def test_all_faults_are_found_at_once_and_the_first_twenty_are_listed(tmp_path: Path) -> None:
    rows = "".join(f"SKU-{number},,standard,1,,,,1.0,,\n" for number in range(100))
    path = written(tmp_path, ("percent = 12.5", "percent = 0"), articles=ARTICLES + rows)
    with pytest.raises(BookFaulty) as raised:
        read(path)
    assert (raised.value.count, len(raised.value.faults)) == (101, LISTED_MAX)
    assert raised.value.faults[0].line == 4
    assert "100 more" in str(raised.value)


@pytest.mark.parametrize(
    ("articles", "fact"),
    [
        (b"", "no articles"),
        (b"\n\n", "no articles"),
        (ARTICLES.encode().replace(b",", b";"), "not separated by commas"),
        (b"sku\tretail_GBP\n", "not separated by commas"),
        (ARTICLES.encode() + "CAF\u00c9".encode("latin-1"), "no UTF-8"),
        (ARTICLES.encode("utf-16"), "no UTF-8"),
        (ARTICLES.encode() + b"\x00", "U+0000"),
        (ARTICLES.splitlines()[0].encode(), "no articles"),
    ],
)
def test_a_file_that_is_no_list_of_articles_is_one_fault(
    tmp_path: Path, articles: bytes, fact: str
) -> None:
    found = faults(written(tmp_path, articles=articles))
    assert len(found) == 1
    assert fact in found[0][2]


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = written(tmp_path)
    with (tmp_path / "articles.csv").open("ab") as file:
        file.truncate(300_000_000)  # a hole, which takes no space on the disk
    (name, line, sentence), *others = faults(path)
    assert (name, line, others) == ("articles.csv", None, [])
    assert "300,000,000" in sentence


@pytest.mark.parametrize("name", [".", "/dev/zero"])
def test_a_folder_or_a_device_without_an_end_is_not_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, ('articles = "articles.csv"', f'articles = "{name}"'))
    assert faults(path) == [(name, None, "This isn't a file.")]


def test_one_article_too_many_is_a_fault(tmp_path: Path) -> None:
    # So many that reading them twice would take longer than all other tests of this page.
    rows = (f"SKU-{number},,standard,1,,,,1.00,," for number in range(ARTICLES_MAX - 1))
    found = faults(written(tmp_path, articles=ARTICLES + "\n".join(rows) + "\n"))
    assert [(line, "200,000" in sentence) for _, line, sentence in found] == [(200_002, True)]


def test_a_long_file_says_how_far_it_is(tmp_path: Path) -> None:
    rows = (f"SKU-{number},,standard,1,,,,1.00,," for number in range(19_998))
    heard: list[int] = []
    found = read(written(tmp_path, articles=ARTICLES + "\n".join(rows) + "\n"), heard.append)
    assert heard == sorted(heard)
    assert len(heard) > 2
    assert heard[-1] == len(found.articles)


def test_a_book_of_one_line_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text("")
    assert faults(tmp_path / "book.toml") == [
        ("book.toml", None, "The field 'articles' is missing.")
    ]
    assert "cannot be read" in faults(tmp_path / "none.toml")[0][2]

"""init: what it guesses of tables of five makes, and that its file leads to a migration."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import SpillwayError, UsageError
from spillway.migrate.checking import Check
from spillway.migrate.config import TODO, Losable, Source, read_config
from spillway.migrate.old.connection import account, connected
from spillway.migrate.proposing.choosing import Connection
from spillway.migrate.proposing.guessing import Proposal, propose
from spillway.migrate.proposing.looking import Column, DescribedTable, Looked, look
from spillway.migrate.proposing.words import plain, state_of
from spillway.migrate.running import Place, assembled
from spillway.run.stack.aws import client
from tests.spillway.archived import no_archive
from tests.spillway.migrate.legacy import DOCS, Shop, lines
from tests.spillway.migrate.servers import Server, on_every_server

BY_URL = Connection("OLD_SHOP", None)
#: For `check`, which asks nothing of AWS.
NO_PLACE = Place(
    lambda service, _: client("http://127.0.0.1:9", service), "t", "m", None, no_archive()
)


def table(name: str, columns: str, **facts: Any) -> DescribedTable:
    """Columns as "id int auto_increment", one a line; a charset is latin1 where the word stands."""
    described = []
    for line in columns.strip().splitlines():
        column, kind, *more = line.split()
        described.append(
            Column(
                column,
                kind.partition("(")[0],
                kind,
                "latin1" if "latin1" in more else None,
                nullable="not_null" not in more,
                counts_up="auto_increment" in more,
            )
        )
    primary = (facts.pop("primary"),) if "primary" in facts else ()
    unique = ((primary,) if primary else ()) + tuple(facts.pop("unique", ()))
    indexed = frozenset(facts.pop("indexed", {one[0] for one in unique}))
    return DescribedTable(
        name, tuple(described), primary=primary, unique=unique, indexed=indexed, **facts
    )


def proposed(
    main: DescribedTable, *others: DescribedTable, zone: str = "UTC"
) -> tuple[Proposal, Any]:
    """The proposal, and its file as a reader of TOML sees it."""
    made = propose(Looked(main, others, "8.0.36", zone), BY_URL)
    return made, tomllib.loads(made.text)


def reason(made: Proposal, setting: str) -> str:
    """The comment above a setting."""
    before = made.text.partition(f"\n{setting} = ")[0].splitlines()
    comment: list[str] = []
    while before and before[-1].startswith("#"):
        comment.insert(0, before.pop().removeprefix("# "))
    return " ".join(comment)


def columns_of(example: str) -> str:
    """The columns of a worked example's table, by its own CREATE TABLE."""
    rows = []
    for line in (DOCS / f"{example}.sql").read_text().splitlines():
        words = line.strip().rstrip(",").split()
        if line.startswith("    ") and words[0] != "KEY":
            kind = "".join(words[1:3]) if words[2:3] and words[2].endswith(")") else words[1]
            rest = " ".join(words[2:]).lower().replace("not null", "not_null")
            rows.append(f"{words[0]} {kind.lower()} {rest}")
    return "\n".join(rows)


PER_ORDER = table(
    "orders",
    columns_of("row-per-order"),
    indexed={"id"},
    words={
        "status": {"shipped": 900, "paid": 20, "lost": 3, "pending": 2, "refused": 1},
        "channel": {"web": 900, "trade": 26},
        "currency": {"GBP": 900, "EUR": 26},
        "country": {"GB": 900, "UK": 25, None: 1},
    },
    sample=(
        {
            "items": '[{"code": "MUG", "qty": 2, "price": 2.50}]',
            "customer_id": "17",
            "customer_name": "JosÃ© Secret",
            "street": "1 Hidden Street",
            "placed_at": "2024-01-02 10:00:00",
        },
        {"items": '[{"code": "POST", "qty": 1, "price": 3}]', "customer_id": None},
    ),
)
PER_LINE = table(
    "order_lines",
    columns_of("row-per-line"),
    primary="id",
    indexed={"id", "invoice"},
    words={"status": {"done": 9}, "country": {"EIRE": 1, "Narnia": 1}},
    sample=(
        {"stock_code": "85123A", "quantity": "6", "unit_price": "2.555", "customer_id": "1"},
        {"stock_code": "DOT", "quantity": "-6", "unit_price": "2.55", "customer_id": None},
    ),
)


def test_the_first_example_is_known_by_the_json_in_a_column() -> None:
    made, file = proposed(PER_ORDER)
    assert (made.shape, made.view) == ("row_per_order", None)
    assert file["order"]["key"] == "id"
    assert file["order"]["created_at"] == "placed_at"
    assert (file["order"]["total"], file["order"]["shipping"]) == ("total", "shipping")
    assert file["order"]["address"]["lines"][1] == {"column": "street2"}
    assert file["order"]["channel"]["map"] == {"web": "retail", "trade": "wholesale"}
    assert file["lines"] == {
        "column": "items",
        "sku": "code",
        "quantity": "qty",
        "unit_price": "price",
        "shipping_skus": ["POST"],
    }
    assert file["texts"]["utf8_in_latin1"] == ["customer_name"]
    assert file["money"]["unit"] == "major"
    assert file["customers"]["guests"] == "one_each"


def test_each_word_of_the_status_has_a_line_with_a_guess_or_a_todo() -> None:
    made, file = proposed(PER_ORDER)
    assert file["statuses"] == {
        "shipped": {"is": "confirmed"},
        "paid": {"is": "open"},
        "lost": {"is": TODO},
        "pending": {"is": TODO},
        "refused": {"is": "rejected", "reason": "out_of_stock"},
    }
    assert 'shipped = { is = "confirmed" }  # 900 rows' in made.text
    assert {"statuses.lost.is", "statuses.pending.is"} <= set(made.todos)


def test_what_only_the_shop_can_know_stays_todo_and_is_named() -> None:
    made, _ = proposed(PER_ORDER)
    assert {"source.time_zone", "customers.prefix"} <= set(made.todos)
    assert "chose it" in reason(made, "time_zone")


def test_no_person_is_in_the_file() -> None:
    made, _ = proposed(PER_ORDER)
    for private in ("Secret", "Hidden", "José", "JosÃ©"):
        assert private not in made.text


def test_the_second_example_is_known_by_its_columns_of_a_line() -> None:
    made, file = proposed(PER_LINE)
    assert made.shape == "row_per_line"
    assert file["order"]["key"] == "invoice"
    assert file["lines"] == {
        "sku": "stock_code",
        "shipping_skus": ["DOT"],
        "quantity": "quantity",
        "unit_price": "unit_price",
    }
    assert file["order"]["address"]["country"]["map"] == {"EIRE": "IE", "Narnia": TODO}
    assert file["money"]["fractions"] == "round"
    assert file["currencies"] == [TODO]
    assert "credit notes" in made.text


WOO = (
    table(
        "wp_wc_orders",
        """
        id bigint
        status varchar(20)
        currency varchar(10)
        type varchar(20)
        payment_type varchar(20)
        total_amount decimal(26,8)
        customer_id bigint
        date_created_gmt datetime
        transaction_id varchar(100)
        """,
        primary="id",
        words={
            "status": {"wc-completed": 7, "wc-refunded": 1, "wc-processing": 1},
            "currency": {"EUR": 9},
            "type": {"shop_order": 8, "shop_order_refund": 1, "shop_order_odd": 1},
            "payment_type": {"invoice": 3, "card": 6},
        },
        sample=({"id": "1", "customer_id": "0"},),
    ),
    table(
        "wp_wc_order_product_lookup",
        """
        order_item_id bigint
        order_id bigint
        product_id bigint
        date_created datetime
        product_qty int
        product_net_revenue double
        """,
        primary="order_item_id",
        indexed={"order_item_id", "order_id"},
    ),
)


def test_orders_and_lines_in_two_tables_become_a_view_with_all_that_is_named() -> None:
    made, file = proposed(*WOO)
    assert made.shape == "row_per_line"
    assert made.view is not None
    assert "LEFT JOIN `wp_wc_order_product_lookup` l ON l.`order_id` = o.`id`" in made.view
    assert file["source"]["table"] == "spillway_wp_wc_orders"
    assert file["source"]["changes"] == {
        "wp_wc_orders": "id",
        "wp_wc_order_product_lookup": "order_id",
    }
    for column in ("type", "status", "product_qty", "date_created_gmt", "transaction_id"):
        assert f".`{column}`" in made.view
    assert file["source"]["where"] == "COALESCE(`type`, '') NOT IN ('shop_order_refund')"
    assert "lines.unit_price" in made.todos


def test_a_lines_own_time_is_not_the_orders_and_gmt_is_utc() -> None:
    _, file = proposed(*WOO)
    assert file["order"]["created_at"] == "date_created_gmt"
    assert file["source"]["time_zone"] == "UTC"


def test_a_customer_0_is_a_guest() -> None:
    made, file = proposed(*WOO)
    assert "guest_ids" in reason(made, "guests")
    assert file["customers"]["guests"] == "one_each"


MAGENTO = (
    table(
        "sales_order",
        """
        entity_id int auto_increment
        state varchar(32)
        status varchar(32)
        customer_id int
        grand_total decimal(20,4)
        tax_amount decimal(20,4)
        increment_id varchar(50)
        order_currency_code varchar(3)
        created_at timestamp
        """,
        primary="entity_id",
        words={
            "status": {"complete": 5, "pending": 1},
            "state": {"complete": 5, "new": 1},
            "order_currency_code": {"USD": 6},
        },
        unique=[("increment_id", "store_id")],
    ),
    table(
        "sales_order_item",
        """
        item_id int auto_increment
        order_id int
        sku varchar(255)
        name varchar(255)
        qty_ordered decimal(12,4)
        price decimal(12,4)
        created_at timestamp
        """,
        primary="item_id",
        indexed={"item_id", "order_id"},
        refers={"order_id": ("sales_order", "entity_id")},
        sample=({"order_id": "1", "sku": "WS12", "qty_ordered": "2.0000", "price": "10.0000"},),
    ),
    table(
        "sales_order_address",
        """
        entity_id int auto_increment
        parent_id int
        region varchar(255)
        postcode varchar(255)
        lastname varchar(255)
        firstname varchar(255)
        street varchar(255)
        city varchar(255)
        country_id varchar(2)
        address_type varchar(255)
        """,
        primary="entity_id",
        refers={"parent_id": ("sales_order", "entity_id")},
        sample=({"address_type": "billing"}, {"address_type": "shipping"}),
        words={"country_id": {"US": 6}},
    ),
)


def test_an_address_in_a_third_table_joins_once_an_order() -> None:
    made, file = proposed(*MAGENTO)
    assert made.view is not None
    assert "a.`parent_id` = o.`entity_id` AND a.`address_type` = 'shipping'" in made.view
    assert "HAVING COUNT(*) > 1" in made.text
    assert file["source"]["changes"]["sales_order_address"] == "parent_id"
    address = file["order"]["address"]
    assert address["name"]["column"] == "full_name"
    assert "CONCAT_WS(' ', a.`firstname`, a.`lastname`)" in made.view
    assert (address["state"], address["country"]) == (
        {"column": "region"},
        {"column": "country_id"},
    )


def test_of_two_columns_of_states_the_status_is_taken_and_none_for_the_address() -> None:
    _, file = proposed(*MAGENTO)
    assert file["order"]["status"] == {"column": "status"}
    assert file["source"]["time_zone"] == "UTC"


GERMAN = table(
    "bestellung",
    """
    bestellnr double
    kundenEmail varchar(100)
    bestelldatum int
    zustand tinyint
    betrag int
    vorname varchar(50) latin1
    nachname varchar(50) latin1
    strasse varchar(50) latin1
    ort varchar(50) latin1
    plz char(5)
    geloescht_am datetime
    artikelnr varchar(20)
    menge int
    einzelpreis int
    """,
    words={"zustand": {"1": 5, "2": 3, None: 1}},
    sample=(
        {
            "kundenEmail": "a@b.de",
            "bestelldatum": "1700000000000",
            "einzelpreis": "1999",
            "ort": "KÃ¶ln",
        },
        {
            "kundenEmail": "c@d.de",
            "bestelldatum": "1700000000000",
            "einzelpreis": "899",
            "ort": "Bonn",
        },
    ),
)


def test_a_german_table_with_what_cannot_be_guessed() -> None:
    made, file = proposed(GERMAN)
    assert file["order"]["key"] == TODO
    assert "DOUBLE" in reason(made, "key")
    assert file["order"]["status"] == {"column": "zustand", "default": TODO}
    assert file["statuses"] == {"1": {"is": TODO}, "2": {"is": TODO}}
    assert file["order"]["address"]["name"] == {"column": TODO}
    assert "CONCAT_WS" in reason(made, "name")
    assert file["customers"]["by"] == "csv"
    assert "customers.file" in made.todos


def test_a_german_table_of_lines() -> None:
    """A line's own sum is no total, and a word that is stored in two ways is one."""
    main = table(
        "bestellpositionen",
        """
        belegnr varchar(20)
        positionsnr smallint
        artikel varchar(40)
        menge decimal(10,2)
        einzelpreis decimal(12,4)
        gesamt decimal(14,4)
        land varchar(40) latin1
        zustand enum('offen','versandt')
        erstellt datetime
        geaendert timestamp
        """,
        unique=(("belegnr", "positionsnr"),),
        words={"land": {"DÃ¤nemark": 7, "Dänemark": 2, "Litauen": 1}},
        sample=(
            {"belegnr": "1", "menge": "2.00", "gesamt": "5.00", "land": "DÃ¤nemark"},
            {"belegnr": "1", "menge": "1.00", "gesamt": "2.50", "land": "Dänemark"},
        ),
    )
    _, file = proposed(main)
    assert (file["order"]["key"], file["order"]["created_at"]) == ("belegnr", "erstellt")
    assert "total" not in file["order"]
    assert file["texts"]["utf8_in_latin1"] == ["land"]
    assert file["order"]["address"]["country"]["map"] == {"Dänemark": "DK", "Litauen": "LT"}


def test_what_a_german_table_does_say() -> None:
    made, file = proposed(GERMAN)
    assert file["source"]["where"] == "`geloescht_am` IS NULL"
    assert file["money"]["unit"] == "minor"
    assert "hundredfold" in reason(made, "unit")
    assert file["times"]["numbers_are"] == "milliseconds"
    assert file["source"]["time_zone"] == "UTC"
    assert file["texts"]["utf8_in_latin1"] == ["ort"]
    assert "a@b.de" not in made.text


@pytest.mark.parametrize(
    ("key", "how"),
    [
        ("id int auto_increment", "auto_increment"),
        ("number varchar(20)", "numbered"),
        ("number varchar(40)", "order_id"),
        ("number bigint", "numbered"),
    ],
)
def test_the_way_back_makes_numbers_that_the_column_can_hold(key: str, how: str) -> None:
    made, _ = proposed(table("orders", f"{key}\nitems text", sample=PER_ORDER.sample))
    assert f'# key = "{how}"' in made.text


@pytest.mark.parametrize(
    ("columns", "lost"),
    [
        (
            "placed_at datetime\nstreet varchar(99)\ncity varchar(40)\npayment_id varchar(40)",
            ["address.name", "address.postal_code", "address.state", "address.phone"],
        ),
        ("order_date date\nemail varchar(99)", ["created_at", "payment_reference", "address.name"]),
    ],
)
def test_what_no_column_holds_may_be_lost_on_the_way_back(columns: str, lost: list[str]) -> None:
    made, _ = proposed(table("orders", f"id int auto_increment\nitems text\n{columns}"))
    begin = made.text.index("# [back]\n")
    back = tomllib.loads(re.sub(r"(?m)^# ?", "", made.text[begin:]))["back"]
    assert back["may_lose"][: len(lost)] == lost
    assert set(back["may_lose"]) <= set(get_args(Losable))
    assert "address.country" not in back["may_lose"]


def test_no_column_is_written_from_two_fields_on_the_way_back() -> None:
    made, file = proposed(table("orders", "id int\nemail varchar(99)\nstatus varchar(9)"))
    assert file["customers"]["column"] == "email"
    assert "email" not in file["order"]["address"]
    assert made.text.count('"email"') == 1


def test_lines_alone_are_not_taken_for_orders() -> None:
    orders, items = MAGENTO[:2]
    with pytest.raises(UsageError, match="run this with --table sales_order"):
        proposed(items, orders)


def test_a_subject_in_the_customers_table_is_found() -> None:
    people = table("customers", "id varchar(9)\nauth0_id varchar(40)", primary="id")
    _, file = proposed(PER_ORDER, people)
    assert file["customers"]["by"] == "table"
    assert (file["customers"]["key"], file["customers"]["subject"]) == ("id", "auth0_id")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            "id_commande int\nstatut varchar(9)\ncree_le datetime\nmontant_total decimal(9,2)",
            ("id_commande", "statut", "cree_le", "montant_total"),
        ),
        (
            "numero_pedido int\nestado varchar(9)\nfecha_pedido datetime\nimporte decimal(9,2)",
            ("numero_pedido", "estado", "fecha_pedido", "importe"),
        ),
        (
            "BestellNr int\nZustand varchar(9)\nBestelltAm datetime\nGesamtbetrag decimal(9,2)",
            ("BestellNr", "Zustand", "BestelltAm", "Gesamtbetrag"),
        ),
    ],
)
def test_french_spanish_and_german_names_are_known(
    columns: str, expected: tuple[str, str, str, str]
) -> None:
    _, file = proposed(table("t", columns))
    order = file["order"]
    assert (
        order["key"],
        order["status"]["column"],
        order["created_at"],
        order["total"],
    ) == expected


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("Versendet", "confirmed"),
        ("livrée", "confirmed"),
        ("ENTREGADO", "confirmed"),
        ("wc-cancelled", "cancelled"),
        ("storniert", "cancelled"),
        ("annulée", "cancelled"),
        ("abgelehnt", "rejected"),
        ("in Bearbeitung", "open"),
        ("payée", "open"),
        ("unpaid", "unclear"),
        ("payment_failed", "unclear"),
        ("wc-on-hold", "unclear"),
        ("refunded", "unclear"),
        ("Gutschrift", "unclear"),
        ("reembolsado", "unclear"),
        ("pago pendiente", "unclear"),
        ("Klärung", ""),
        ("7", ""),
    ],
)
def test_a_state_means_what_its_word_says_and_money_is_never_guessed(
    word: str, meaning: str
) -> None:
    assert state_of(word) == meaning


@pytest.mark.parametrize(
    ("name", "said"), [("BestellNr", "bestell_nr"), ("créé-le", "cree_le"), ("Größe", "groesse")]
)
def test_names_are_compared_without_their_spelling(name: str, said: str) -> None:
    assert plain(name) == said


@pytest.mark.parametrize("comment", ['a"b\n[target]\nlocal_port = 1', "\\ ' # \x7f \u2028 x"])
def test_a_tables_own_comments_and_words_cannot_break_the_file(comment: str) -> None:
    hostile = table(
        "orders",
        'id int\n"status" varchar(9)\ncreated_at datetime',
        primary="id",
        words={'"status"': {comment: 1}},
    )
    columns = tuple(
        Column(one.name, one.kind, one.type, comment=comment) for one in hostile.columns
    )
    described = DescribedTable(
        "orders", columns, primary=("id",), unique=(("id",),), words=hostile.words
    )
    made, file = proposed(described)
    assert file["statuses"] == {comment: {"is": TODO}}
    assert file["target"]["local_port"] == 8080
    assert made.todos


def test_a_file_with_todo_is_refused_in_one_sentence_that_names_all(tmp_path: Path) -> None:
    made, _ = proposed(PER_ORDER)
    path = tmp_path / "migration.toml"
    path.write_text(made.text)
    with pytest.raises(SpillwayError) as error:
        read_config(path)
    for place in made.todos:
        assert place in str(error.value)
    assert "\n" not in str(error.value)


def texts(url: dict[str, str]) -> AbstractContextManager[Any]:
    """A session as the commands have it: every value is a text."""
    source = Source("t", "row_per_order", "UTC", url_variable="OLD_SHOP", tls="off")
    return connected(account(source, url))


def filled(text: str, answers: Sequence[tuple[str, str]]) -> str:
    for setting, answer in answers:
        assert setting in text
        text = text.replace(setting, answer, 1)
    return text


@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
def test_from_init_to_a_check_that_is_ready(shop: Shop, tmp_path: Path) -> None:
    rng = random.Random(1)
    shop.fill(row for number in range(40) for row in lines(rng, f"A{number}"))
    path = tmp_path / "migration.toml"
    url = {"OLD_SHOP": shop.server.url(shop.database)}
    arguments = ["migrate", "init", "--url-variable", "OLD_SHOP", "--no-tls"]
    command = [*arguments, "--table", "order_lines", "--config", str(path)]
    done = CliRunner().invoke(app, command, env=url)
    assert done.exit_code == 0, done.output
    assert "customers.prefix" in done.output
    answers = (
        ('currencies = ["TODO"]', 'currencies = ["GBP"]'),
        ('time_zone = "TODO"', 'time_zone = "Europe/London"'),
        ('currency = { value = "TODO" }', 'currency = { value = "GBP" }'),
        ('prefix = "TODO"', 'prefix = "legacy|"'),
    )
    path.write_text(filled(path.read_text(), answers))
    with assembled(read_config(path), NO_PLACE, url) as parts:
        profile = Check(parts, lambda _rows, _all: None).run(None)
    assert profile.blockers == []
    assert (profile.mapped, profile.unmapped) == (40, 0)
    again = CliRunner().invoke(app, command, env=url)
    assert isinstance(again.exception, UsageError)
    assert 'prefix = "legacy|"' in path.read_text()


@on_every_server
def test_a_view_for_two_tables_can_be_made_and_read(old_server: Server, tmp_path: Path) -> None:
    """Beside the example's own view; an order that has lost its lines is not passed over."""
    path = tmp_path / "migration.toml"
    with old_server.database() as name, old_server.connect(name) as connection:
        url = {"OLD_SHOP": old_server.url(name)}

        def run(*statements: str) -> None:
            with connection.cursor() as cursor:
                for statement in filter(str.strip, statements):
                    cursor.execute(statement)

        run(*(DOCS / "two-tables.sql").read_text().split(";\n"))
        run(
            "INSERT INTO bestellungen (id, bestellt, empfaenger, strasse, plz, ort, status, art)"
            " VALUES (1, '2024-01-02', 'J. Müller', 'Weg 1', '50667', 'Köln', 'versandt', 'Neu'),"
            " (2, '2024-01-03', 'J. Müller', 'Weg 1', '50667', 'Köln', 'bezahlt', 'Neu'),"
            " (3, '2024-01-03', 'J. Müller', 'Weg 1', '50667', 'Köln', 'bezahlt', 'Gutschrift')",
            "INSERT INTO positionen (bestellung_id, artikel, menge, preis)"
            " VALUES (1, 'T-1', 2, 6.50), (1, 'T-2', 1, 3.00), (3, 'T-1', 1, 6.50)",
        )
        with texts(url) as reading:
            looked = look(reading, "bestellungen")
        made = propose(looked, Connection("OLD_SHOP", None, "off"))
        assert made.view is not None
        run(made.view)
        answers = (
            ('currencies = ["TODO"]', 'currencies = ["EUR"]'),
            ('time_zone = "TODO"', 'time_zone = "Europe/Berlin"'),
            ('currency = { value = "TODO" }', 'currency = { value = "EUR" }'),
            ('prefix = "TODO"', 'prefix = "legacy|"'),
        )
        path.write_text(filled(made.text, answers))
        with assembled(read_config(path), NO_PLACE, url) as parts:
            profile = Check(parts, lambda _rows, _all: None).run(None)
    assert profile.blockers == []
    assert (profile.mapped, profile.unmapped) == (1, 1)
    assert profile.reasons["line_incomplete"].samples[0][0] == "2"


def test_a_table_that_is_not_there_is_answered_with_those_that_look_like_it(
    old_server: Server,
) -> None:
    with old_server.database() as name, texts({"OLD_SHOP": old_server.url(name)}) as connection:
        old_server.run("CREATE TABLE kunden_bestellungen (id INT)", name)
        with pytest.raises(UsageError, match="orders: kunden_bestellungen"):
            look(connection, "nothing")


def test_words_are_counted_by_their_spelling_and_large_texts_are_not_read(
    old_server: Server,
) -> None:
    with old_server.database() as name, old_server.connect(name) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(9), data LONGTEXT,"
                " raw BLOB, place POINT)"
            )
            cursor.execute(
                "INSERT INTO orders VALUES (1, 'Paid', REPEAT('x', 100000), x'ff', NULL),"
                " (2, 'paid', 'small', 'a', NULL), (3, NULL, NULL, NULL, NULL)"
            )
        seen = look(connection, "orders").table
    assert seen.words["status"] == {"Paid": 1, "paid": 1, None: 1}
    assert sorted((row["data"] or "") for row in seen.sample) == ["", "", "small"]
    assert "place" not in seen.sample[0]

"""Old shops for tests: tables in both shapes, filled with good and with hostile rows from a seed,
and a writer that goes on changing them."""

from __future__ import annotations

import csv
import gzip
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.spillway.migrate.servers import Server

DOCS = Path(__file__).parents[3] / "docs" / "migration"
STATUSES = ("delivered", "delivered", "shipped", "cancelled", "refused", "paid", "picked")
ORDER_COLUMNS = (
    "placed_at",
    "updated_at",
    "status",
    "channel",
    "customer_id",
    "customer_name",
    "street",
    "city",
    "postcode",
    "country",
    "phone",
    "currency",
    "items",
    "shipping",
    "discount",
    "coupon",
    "total",
    "payment_ref",
    "po_number",
    "notes",
)
LINE_COLUMNS = (
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "invoiced_at",
    "unit_price",
    "customer_id",
    "country",
)

Values = dict[str, Any]


def schema(shape: str) -> str:
    return (DOCS / f"{shape}.sql").read_text()


def order(rng: random.Random, **fields: Any) -> Values:
    """A row that maps; `fields` are put over it."""
    lines: list[Values] = [
        {
            "code": f"SKU-{number}",
            "qty": rng.randint(1, 12),
            "price": f"{rng.randint(1, 99)}.{rng.randint(0, 99):02}",
        }
        for number in rng.sample(range(900), rng.choice((1, 1, 2, 3, 5, 8)))
    ]
    total = sum(line["qty"] * _pence(line["price"]) for line in lines) + 395
    return {
        "placed_at": f"20{rng.randint(18, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        f" {rng.randint(3, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}",
        "updated_at": None,
        "status": rng.choice(STATUSES),
        "channel": rng.choice(("web", "app")),
        "customer_id": str(rng.randint(1, 4_000)),
        "customer_name": rng.choice(("Ada Fletcher", "Bob Ó Murchú", "José Ñandú")),
        "street": f"{rng.randint(1, 200)} High Street",
        "city": rng.choice(("Leeds", "York", "Köln", "Łódź")),
        "postcode": "LS1 4AP",
        "country": rng.choice(("GB", "UK", "DE")),
        "phone": "0113 496 0000",
        "currency": "GBP",
        "items": json.dumps(lines),
        "shipping": "3.95",
        "discount": None,
        "coupon": None,
        "total": f"{total // 100}.{total % 100:02}",
        "payment_ref": f"pay_{rng.getrandbits(40):x}",
        "po_number": None,
        "notes": None,
        **fields,
    }


def _pence(price: str) -> int:
    return int(price.replace(".", ""))


def _many_lines(rng: random.Random) -> Values:
    lines = [{"code": f"S{number}", "qty": 1, "price": "1.00"} for number in range(1_000)]
    return order(rng, items=json.dumps(lines), shipping=None, total="1000.00")


def _mojibake(rng: random.Random) -> Values:
    return order(rng, customer_name="José Ñandú".encode().decode("cp1252", errors="ignore"))


#: Each makes a row that is hard in its own way. Some map, some must be quarantined.
HOSTILE: tuple[Callable[[random.Random], Values], ...] = (
    lambda rng: order(rng, notes="🎁" * 20, street="1 🏠 Street", city="東京"),
    lambda rng: order(rng, customer_name="caf\u00e9 \u20ac", street="a\x00b\tc\nd"),
    lambda rng: order(
        rng, street="2\u3000丁目\u00a0ක්\u200dෂ", city="Aix\u00adles\u2028Bains\u00a0"
    ),
    lambda rng: order(rng, postcode=None, phone="\u202a+44 113 496 0000\u202c"),
    lambda rng: order(rng, placed_at="0000-00-00 00:00:00"),
    lambda rng: order(rng, placed_at=None),
    lambda rng: order(rng, placed_at="1970-01-01 00:00:00"),
    lambda rng: order(rng, placed_at="2099-01-01 00:00:00"),
    lambda rng: order(rng, placed_at="2023-10-29 01:30:00"),  # came twice in London
    lambda rng: order(rng, placed_at="2023-03-26 01:30:00"),  # never came in London
    lambda rng: order(rng, total="-5.00"),
    lambda rng: order(rng, total="0.01"),
    lambda rng: order(rng, customer_id=None),
    lambda rng: order(rng, customer_id="", country=None, city=None, postcode=None),
    lambda rng: order(rng, status="lost"),
    lambda rng: order(rng, status=""),
    lambda rng: order(rng, items="{broken"),
    lambda rng: order(rng, items="[]"),
    lambda rng: order(rng, items=None),
    lambda rng: order(rng, items='[{"code": "A", "qty": -1, "price": "1.00"}]'),
    lambda rng: order(rng, items='[{"code": "A", "qty": 1, "price": 0.005}]', total="0.01"),
    lambda rng: order(rng, items='[{"qty": 1, "price": "1.00"}]'),
    lambda rng: order(rng, street="x" * 240),
    lambda rng: order(rng, country="XX"),
    lambda rng: order(rng, country="zz"),
    lambda rng: order(rng, currency="JPY"),
    lambda rng: order(rng, channel="trade", po_number="PO-1"),
    lambda rng: order(rng, channel="fax"),
    lambda rng: order(
        rng,
        items='[{"code": "A", "qty": 2, "price": "10.00"}]',
        discount="5.00",
        coupon="XMAS",
        total="18.95",
    ),
    lambda rng: order(
        rng,
        items='[{"code": "A", "qty": 1, "price": "10.00"}]',
        shipping=None,
        discount="10.00",
        coupon="ALL",
        total="0.00",
        payment_ref=rng.choice((None, "voucher")),
    ),
    _many_lines,
    _mojibake,
)


def rows(seed: int, count: int, *, hostile: float = 0.1) -> Iterator[Values]:
    """`count` rows, of which a share is hostile; thousand-line orders are kept to one in 5,000."""
    rng = random.Random(seed)
    for number in range(count):
        if rng.random() >= hostile:
            yield order(rng)
            continue
        kind = rng.choice(HOSTILE)
        yield order(rng) if kind is _many_lines and number % 5_000 else kind(rng)


class Shop:
    """One old table of one database, in the shape of docs/migration."""

    def __init__(self, server: Server, database: str, shape: str) -> None:
        self.server, self.database, self.shape = server, database, shape
        self.connection = server.connect(database)
        for statement in filter(str.strip, schema(shape).split(";\n")):
            self.run(statement)

    @property
    def table(self) -> str:
        return "orders" if self.shape == "row-per-order" else "order_lines"

    def run(self, statement: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def insert(self, values: Values) -> int:
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.table} ({names}) VALUES ({marks})", list(values.values())
            )
            return int(cursor.lastrowid)

    def fill(self, many: Iterator[Values]) -> None:
        """Many rows, quickly."""
        columns = ORDER_COLUMNS if self.shape == "row-per-order" else LINE_COLUMNS
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO {self.table} ({', '.join(columns)}) VALUES ({marks})"
        self.connection.begin()
        with self.connection.cursor() as cursor:
            batch = []
            for row in many:
                batch.append([row[name] for name in columns])
                if len(batch) == 1_000:
                    cursor.executemany(statement, batch)
                    batch = []
            if batch:
                cursor.executemany(statement, batch)
        self.connection.commit()

    def close(self) -> None:
        self.connection.close()


@contextmanager
def writer(shop: Shop, seed: int, pause: float = 0.002) -> Iterator[Callable[[], int]]:
    """Somebody who goes on inserting, updating and deleting orders until the block ends.

    Yields a function that tells how many changes were made.
    """
    stop = threading.Event()
    other = shop.server.connect(shop.database)
    changes = 0
    change = _change_order if shop.shape == "row-per-order" else _change_lines

    def work() -> None:
        nonlocal changes
        rng = random.Random(seed)
        while not stop.wait(pause * rng.random() * 2):
            with other.cursor() as cursor:
                change(cursor, other, rng)
            changes += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: changes
    finally:
        stop.set()
        thread.join()
        other.close()


def _change_order(cursor: Any, connection: Any, rng: random.Random) -> None:
    kind = rng.random()
    cursor.execute("SELECT MIN(id), MAX(id) FROM orders")
    low, high = cursor.fetchone()
    some = rng.randint(low or 1, high or 1)
    if kind < 0.35:
        row = rng.choice(HOSTILE[:10])(rng) if rng.random() < 0.1 else order(rng)
        cursor.execute(
            f"INSERT INTO orders ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )
    elif kind < 0.55:
        cursor.execute("UPDATE orders SET status = %s WHERE id = %s", (rng.choice(STATUSES), some))
    elif kind < 0.65:
        cursor.execute(
            "UPDATE orders SET customer_id = %s, placed_at = %s WHERE id = %s",
            (rng.randint(1, 4_000), order(rng)["placed_at"], some),
        )
    elif kind < 0.72:
        cursor.execute("UPDATE orders SET total = -1 WHERE id = %s", (some,))
    elif kind < 0.76:
        # Another order number, now and then one that is taken.
        cursor.execute(
            "UPDATE orders SET id = %s WHERE id = %s",
            (some + 1 if rng.random() < 0.1 else high + rng.randint(1, 3), some),
        )
    elif kind < 0.86:
        cursor.execute("DELETE FROM orders WHERE id = %s", (some,))
    else:
        # Several orders in one transaction, kept or given up.
        connection.begin()
        for step in range(3):
            row = order(rng)
            cursor.execute(
                "UPDATE orders SET items = %s, shipping = %s, total = %s WHERE id = %s",
                (row["items"], row["shipping"], row["total"], some + step),
            )
        (connection.commit if rng.random() < 0.8 else connection.rollback)()


def lines(rng: random.Random, invoice: str | None) -> list[Values]:
    """One order in rows, mostly one that maps."""
    day = f"20{rng.randint(18, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    at = f"{day} 10:{rng.randint(10, 59)}:00"
    customer = str(rng.randint(1, 4_000)) if rng.random() < 0.9 else None
    country = rng.choice(("United Kingdom", "EIRE", "France"))
    return [
        {
            "invoice": invoice,
            "stock_code": f"SKU-{number}",
            "description": "A THING 🎁",
            "quantity": rng.randint(1, 12),
            "invoiced_at": at,
            "unit_price": f"{rng.randint(1, 99)}.{rng.randint(0, 99):02}",
            "customer_id": customer,
            "country": country,
        }
        for number in rng.sample(range(900), rng.choice((1, 2, 3, 5, 8)))
    ]


def _change_lines(cursor: Any, connection: Any, rng: random.Random) -> None:
    kind = rng.random()
    cursor.execute(
        "SELECT invoice FROM order_lines WHERE id >= %s AND invoice IS NOT NULL LIMIT 1",
        (rng.randint(1, 50_000),),
    )
    found = cursor.fetchone()
    some = found[0] if found else None
    connection.begin()
    if kind < 0.4 or some is None:
        insert = (
            f"INSERT INTO order_lines ({', '.join(LINE_COLUMNS)}) VALUES ({', '.join(['%s'] * 8)})"
        )
        cursor.executemany(
            insert, [list(row.values()) for row in lines(rng, f"N{rng.getrandbits(40)}")]
        )
    elif kind < 0.6:
        cursor.execute(
            "UPDATE order_lines SET quantity = quantity + 1 WHERE invoice = %s LIMIT 1", (some,)
        )
    elif kind < 0.7:
        cursor.execute("DELETE FROM order_lines WHERE invoice = %s LIMIT 1", (some,))
    elif kind < 0.8:
        cursor.execute("UPDATE order_lines SET customer_id = '77' WHERE invoice = %s", (some,))
    elif kind < 0.85:
        # Only one of its lines: they disagree from here on.
        cursor.execute(
            "UPDATE order_lines SET customer_id = '78' WHERE invoice = %s LIMIT 1", (some,)
        )
    elif kind < 0.92:
        cursor.execute(
            "UPDATE order_lines SET invoice = CONCAT('M', invoice) WHERE invoice = %s"
            " AND LENGTH(invoice) < 18",
            (some,),
        )
    else:
        cursor.execute("DELETE FROM order_lines WHERE invoice = %s", (some,))
    (connection.commit if rng.random() < 0.9 else connection.rollback)()


def real_lines(path: Path) -> Iterator[Values]:
    """The Online Retail data set as it is, every invoice with every line, corrections too."""
    with (gzip.open if path.suffix == ".gz" else open)(
        path, "rt", encoding="utf-8-sig", errors="replace"
    ) as file:
        for row in csv.DictReader(file):
            yield {
                "invoice": row["InvoiceNo"],
                "stock_code": row["StockCode"],
                "description": row["Description"][:100],
                "quantity": row["Quantity"],
                "invoiced_at": row["InvoiceDate"],
                "unit_price": row["UnitPrice"],
                "customer_id": row["CustomerID"].removesuffix(".0") or None,
                "country": row["Country"],
            }


def real_orders(path: Path) -> Iterator[Values]:
    """The same as one row per invoice, its lines as JSON."""
    invoices: dict[str, list[Values]] = {}
    for line in real_lines(path):
        invoices.setdefault(line["invoice"], []).append(line)
    for number, rows_ in invoices.items():
        total = sum(int(row["quantity"]) * Decimal(row["unit_price"]) for row in rows_)
        items = [
            {"code": row["stock_code"], "qty": int(row["quantity"]), "price": row["unit_price"]}
            for row in rows_
        ]
        yield {
            **order(random.Random(number)),
            "placed_at": rows_[0]["invoiced_at"],
            "customer_id": rows_[0]["customer_id"],
            "items": json.dumps(items),
            "shipping": None,
            "total": str(total),
            "payment_ref": f"invoice-{number}",
        }

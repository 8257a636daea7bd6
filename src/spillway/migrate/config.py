"""The migration's configuration: one TOML file, read strictly.

An unknown name, a wrong type or a mapping that cannot work stops the command with one sentence
that names the place, before any database was asked for anything. docs/migration/ has two worked
examples.

No secret stands in it: it names the environment variable or the MySQL option file that holds one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from orders.domain.refusals import Rule
from orders.domain.saga import Step
from orders.domain.status import Status
from spillway.errors import SpillwayError

#: Rules that speak of the moment an order is sent. An old order was sent long ago.
NEVER_HELD_AGAINST_AN_OLD_ORDER = frozenset(
    {
        Rule.ORDER_ID_TOO_OLD,
        Rule.WHOLESALE_NOT_ALLOWED,
        Rule.RECEIPT_KEY_UNKNOWN,
        Rule.RECEIPT_INVALID,
    }
)

Name = Annotated[str, Meta(pattern=r"^[^`\x00]{1,64}$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
Outcome = Literal["confirmed", "rejected", "cancelled", "open"]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field of an order comes from: a column, or the same value for every order.

    `default` stands in for NULL and for an empty text, `map` translates what the column holds;
    `{key}` in a `value` is the old order number.
    """

    column: Name | None = None
    value: str | None = None
    default: str | None = None
    map: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.value is None):
            raise ValueError("a field has either a column or a value")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The old database. The connection is in the variable `url_variable`
    (mysql://user:password@host:3306/database) or in a MySQL option file's [client] group."""

    table: Name
    shape: Literal["row_per_order", "row_per_line"]
    #: In which DATETIME columns are written. TIMESTAMP columns are UTC by nature.
    time_zone: str
    url_variable: str | None = None
    option_file: str | None = None
    #: Read from the URL or the option file when left out.
    database: Name | None = None
    #: "verify" checks the server's certificate and name; "off" is for a tunnel or the same machine.
    tls: Literal["verify", "off"] = "verify"
    tls_ca: str | None = None
    #: Must be no other replica's: the server tells its readers apart by it.
    server_id: Annotated[int, Meta(ge=1, le=4_294_967_295)] = 4_711_071
    #: What one snapshot may last before a new one is begun: the old server keeps every row version
    #: that is newer than the oldest snapshot.
    snapshot_minutes_max: Annotated[int, Meta(ge=1, le=1_440)] = 30

    def __post_init__(self) -> None:
        if (self.url_variable is None) == (self.option_file is None):
            raise ValueError("name either url_variable or option_file")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{self.time_zone!r} is no time zone, such as Europe/London"
            ) from error


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The orders table: of a stack that runs on this machine, or on AWS."""

    local_port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    region: str | None = None
    orders_table: str | None = None
    #: Where open orders are handed over; needed for that alone.
    watchdog_queue_url: str | None = None
    #: Holds the migration's own state; made by `copy`, deleted by hand when all is over.
    state_table: str | None = None
    #: Write units a second, over both tables. A new on-demand table takes 4,000 each.
    write_units_per_second_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 3_600

    def __post_init__(self) -> None:
        if (self.local_port is None) == (self.orders_table is None):
            raise ValueError("name either local_port or orders_table")
        if (self.orders_table is None) != (self.region is None):
            raise ValueError("region goes with orders_table")


class Customers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an old customer id becomes the identity provider's subject.

    subject  the column holds the subject already, or does with `prefix` before it
    csv      a file with the header `customer,subject`
    table    another table of the old database, joined by `key`

    `guests` are orders with no customer: quarantined, or each under a subject of its own.
    """

    column: Name
    by: Literal["subject", "csv", "table"] = "subject"
    prefix: str = ""
    file: str | None = None
    table: Name | None = None
    key: Name | None = None
    subject: Name | None = None
    guests: Literal["quarantine", "one_each"] = "quarantine"

    def __post_init__(self) -> None:
        if (self.by == "csv") != (self.file is not None):
            raise ValueError('file goes with by = "csv"')
        for name in ("table", "key", "subject"):
            if (self.by == "table") != (getattr(self, name) is not None):
                raise ValueError(f'{name} goes with by = "table"')


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with hours that a clock shows twice or never, and which dates are believed."""

    ambiguous: Literal["earlier", "later", "quarantine"] = "earlier"
    nonexistent: Literal["shift", "quarantine"] = "shift"
    not_before: str = "1995-01-01"
    #: What a whole-number column counts.
    numbers_are: Literal["seconds", "milliseconds"] = "seconds"


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unprintable`: line breaks, tabs and NULs become a space, or quarantine the order.

    `utf8_in_latin1` names columns in which a careless client stored UTF-8 as Latin-1.
    """

    unprintable: Literal["space", "quarantine"] = "space"
    #: A text longer than an order may have: cut, or the order is quarantined.
    too_long: Literal["cut", "quarantine"] = "quarantine"
    utf8_in_latin1: tuple[Name, ...] = ()


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order's lines: columns of a row per line, or names within the JSON in `column`."""

    sku: Name
    quantity: Name
    unit_price: Name
    column: Name | None = None
    #: The name of the list within the JSON object, where the column is not the list itself.
    list: str | None = None
    #: Lines that are postage in truth: they become the order's shipping.
    shipping_skus: tuple[str, ...] = ()


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unit`: "major" for pounds and pence as 12.34, "minor" for whole pence."""

    unit: Literal["major", "minor"] = "major"
    #: A fraction of a minor unit: quarantined, or rounded half to even.
    fractions: Literal["quarantine", "round"] = "quarantine"


class AddressFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Field
    lines: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=5)]
    city: Field
    postal_code: Field
    country: Field


class OrderFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column is which field. `total` may be left out: then it is what the rest adds up to."""

    key: Name
    created_at: Name
    status: Field
    channel: Field
    currency: Field
    payment_reference: Field
    address: AddressFields
    settled_at: Name | None = None
    total: Name | None = None
    shipping: Name | None = None
    tax: Name | None = None
    discount: Name | None = None
    coupon: Field | None = None
    purchase_order: Field | None = None


class StatusMeaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an old status says of an order. `done` names what was done of an open one."""

    is_: Outcome = msgspec.field(name="is")
    reason: str | None = None
    done: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if (self.is_ == "rejected") != (self.reason is not None):
            raise ValueError("a rejected status, and only that, has a reason")
        if self.done and self.is_ != "open":
            raise ValueError("done goes with an open status")
        allowed = ((), (Step.RESERVE,), (Step.RESERVE, Step.SHIP), (Step.RESERVE, Step.POST))
        if tuple(self.done) not in allowed:
            raise ValueError("done is [], [reserve], [reserve, ship] or [reserve, post]")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules that a settled old order may break. Open ones must keep all of them."""

    tolerated: tuple[Rule, ...] = (
        Rule.SKU_PRICE_CONFLICT,
        Rule.CURRENCY_NOT_ACCEPTED,
        Rule.PURCHASE_ORDER_MISSING,
        Rule.PURCHASE_ORDER_NOT_FOR_RETAIL,
    )
    #: So many orders in quarantine mean that the mapping is wrong: `copy` stops.
    quarantined_max: Annotated[int, Meta(ge=0)] = 10_000


class Back(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How new orders are written into the old table.

    `key`: "auto_increment" leaves the number to MySQL, "order_id" uses the new id (a text column),
    "numbered" counts from `first_key` on. `columns` are fixed values for columns that no field
    fills.
    """

    key: Literal["auto_increment", "order_id", "numbered"]
    #: The old word for each new status.
    statuses: dict[Status, str]
    first_key: Annotated[int, Meta(ge=1)] | None = None
    columns: dict[Name, str] = {}
    #: The environment variable with the URL of a user who may write; the source's when left out.
    url_variable: str | None = None

    def __post_init__(self) -> None:
        if (self.key == "numbered") != (self.first_key is not None):
            raise ValueError('first_key goes with key = "numbered"')
        lacking = [status.value for status in Status if status not in self.statuses]
        if lacking:
            raise ValueError(f"statuses lacks {', '.join(lacking)}")


class Cutover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands of your own, run without a shell. Left out, the checklist waits for you to act."""

    read_only_command: tuple[str, ...] = ()
    switch_command: tuple[str, ...] = ()
    #: How long the old service has to become read-only, and the lag to run to zero.
    wait_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 300
    #: For so long no change of the orders may come once it is read-only.
    quiet_seconds: Annotated[int, Meta(ge=1, le=600)] = 5


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: Source
    target: Target
    order: OrderFields
    lines: Lines
    customers: Customers
    statuses: dict[str, StatusMeaning]
    money: Money = Money()
    times: Times = Times()
    texts: Texts = Texts()
    rules: Rules = Rules()
    back: Back | None = None
    cutover: Cutover = Cutover()
    currencies: tuple[Currency, ...] = ("GBP", "EUR", "USD")
    #: Where orders that cannot be mapped are written, one JSON object a line.
    quarantine_file: str = "quarantine.jsonl"

    def __post_init__(self) -> None:
        by_order = self.source.shape == "row_per_order"
        if by_order != (self.lines.column is not None):
            raise ValueError('lines.column (the JSON) goes with shape = "row_per_order"')
        if self.back is None:
            return
        for status, word in self.back.statuses.items():
            meaning = self.statuses.get(word)
            if meaning is None:
                raise ValueError(f"back.statuses.{status.value}: {word!r} is not among statuses")
            if meaning.is_ != outcome_of(status):
                raise ValueError(
                    f"back.statuses.{status.value}: {word!r} means {meaning.is_} in statuses"
                )


def outcome_of(status: Status) -> Outcome:
    """A status in the migration's coarser words."""
    settled: Mapping[Status, Outcome] = {
        Status.CONFIRMED: "confirmed",
        Status.REJECTED: "rejected",
        Status.CANCELLED: "cancelled",
    }
    return settled.get(status, "open")


def read_config(path: Path) -> Config:
    """SpillwayError, one sentence: it is not there, not TOML, or says something impossible."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SpillwayError(f"{path} cannot be read: {why}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SpillwayError(f"{path} is not TOML: {error}.") from error
    try:
        return msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        raise SpillwayError(f"{path} says something impossible: {error}.") from error

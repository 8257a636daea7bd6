"""The migration's configuration: one TOML file, read strictly.

An unknown field, a wrong type or a mapping that cannot work stops the command before it connects to
any database. The error is one sentence that names the field. docs/migration/ has two worked
examples.

The file contains no secret: it names the environment variable or the MySQL option file with the
password.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from orders.domain.refusals import Rule
from orders.domain.saga import Step
from orders.domain.status import SETTLED, Status
from spillway.errors import UsageError, why_not
from spillway.migrate.condition import checked

#: Rules about the moment in which an order is sent. An old order was sent long ago.
RULES_OF_THE_MOMENT = frozenset(
    {
        Rule.ORDER_ID_TOO_OLD,
        Rule.WHOLESALE_NOT_ALLOWED,
        Rule.RECEIPT_KEY_UNKNOWN,
        Rule.RECEIPT_INVALID,
    }
)

#: What `init` could not know stands in place of a value, until somebody who does says it.
TODO = "TODO"

Name = Annotated[str, Meta(pattern=r"^[^`\x00]{1,64}$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
Outcome = Literal["confirmed", "rejected", "cancelled", "open"]
_OF_A_LINE = ("sku", "quantity", "unit_price")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Field(_Section, frozen=True):
    """Where one field of an order comes from: a column, or the same value for every order.

    `default` replaces NULL and an empty text. `map` translates the column's values. `{key}` in a
    `value` is the old order number.
    """

    column: Name | None = None
    value: str | None = None
    default: str | None = None
    map: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.value is None):
            raise ValueError("a field has either a column or a value")
        if self.value is not None and (self.default is not None or self.map is not None):
            raise ValueError("default and map go with a column")
        if "" in (self.map or {}):
            raise ValueError("for an empty text there is default, not map")


class Source(_Section, frozen=True):
    """The old database. The connection comes from the environment variable `url_variable`
    (mysql://user:password@host:3306/database), or from the group [client] of `option_file`."""

    table: Name
    shape: Literal["row_per_order", "row_per_line"]
    #: The zone of DATETIME columns. TIMESTAMP columns are always UTC.
    time_zone: str
    #: A SQL condition on the table's columns: rows that do not match it are no orders. An order
    #: whose rows stop matching is removed, as if the old shop had deleted it.
    where: str | None = None
    #: Where `table` is a view: each table behind it whose changes change an order, and its column
    #: with the order's number. The first has a row for each order.
    changes: dict[Name, Name] = {}
    url_variable: str | None = None
    option_file: str | None = None
    #: When left out, it comes from the URL or the option file.
    database: Name | None = None
    #: "verify" checks the server's certificate and name; "off" is for a tunnel or the same machine.
    tls: Literal["verify", "off"] = "verify"
    tls_ca: str | None = None
    #: No other replica may have this number: the server knows its readers by it.
    server_id: Annotated[int, Meta(ge=1, le=4_294_967_295)] = 4_711_071
    #: After this time the copy takes a new snapshot: the old server keeps every row version that is
    #: newer than the oldest snapshot.
    snapshot_minutes_max: Annotated[int, Meta(ge=1, le=1_440)] = 30

    def __post_init__(self) -> None:
        if (self.url_variable is None) == (self.option_file is None):
            raise ValueError("name either url_variable or option_file")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{self.time_zone!r} is not a time zone (Europe/London is)") from error
        if self.where is not None:
            checked(self.where)

    @property
    def condition(self) -> str:
        """SQL that is true for the rows that count."""
        return "TRUE" if self.where is None else f"({self.where})"

    @property
    def written(self) -> tuple[str, ...]:
        """The tables that the old shop writes: this one, or those behind this view."""
        return tuple(self.changes) or (self.table,)


class Target(_Section, frozen=True):
    """The orders table: of a stack on this machine (`local_port`), or on AWS."""

    local_port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    region: str | None = None
    orders_table: str | None = None
    #: `cutover --hand-over` sends open orders there; nothing else needs it.
    watchdog_queue_url: str | None = None
    #: The migration's own state. `copy` creates it; you delete it when the migration is over.
    state_table: str | None = None
    #: For both tables together. A new on-demand table takes 4,000.
    write_units_per_second_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 3_600

    def __post_init__(self) -> None:
        if (self.local_port is None) == (self.orders_table is None):
            raise ValueError("name either local_port or orders_table")
        if (self.orders_table is None) != (self.region is None):
            raise ValueError("region goes with orders_table")


class Customers(_Section, frozen=True):
    """How an old customer id becomes the identity provider's subject.

    subject  the column's value, with `prefix` before it, is the subject
    csv      a file with the header `customer,subject`; several customers may have one subject
    table    another table of the old database, joined by `key`

    `guests` are orders without a customer: each is quarantined, or gets its own subject.
    `guest_ids` are the values that mean so, besides NULL and an empty text. Most shops write 0, and
    all their guests would become one customer, who sees the orders of all.
    """

    column: Name
    by: Literal["subject", "csv", "table"] = "subject"
    prefix: str = ""
    file: str | None = None
    table: Name | None = None
    key: Name | None = None
    subject: Name | None = None
    guests: Literal["quarantine", "one_each"] = "quarantine"
    guest_ids: tuple[str, ...] = ("0",)

    def __post_init__(self) -> None:
        if (self.by == "csv") != (self.file is not None):
            raise ValueError('file goes with by = "csv"')
        for name in ("table", "key", "subject"):
            if (self.by == "table") != (getattr(self, name) is not None):
                raise ValueError(f'{name} goes with by = "table"')


class Times(_Section, frozen=True):
    """Which time is meant in an hour that a clock shows twice or never, and which dates are too
    old to be true."""

    ambiguous: Literal["earlier", "later", "quarantine"] = "earlier"
    nonexistent: Literal["shift", "quarantine"] = "shift"
    not_before: date = date(1995, 1, 1)
    #: What a column of whole numbers counts since 1970.
    numbers_are: Literal["seconds", "milliseconds"] = "seconds"


class Texts(_Section, frozen=True):
    """`unprintable`: line breaks, tabs and NULs become a space, or the order is quarantined.

    `utf8_in_latin1` names columns in which a client stored UTF-8 as Latin-1: "Ã¼" where it wrote
    "ü", whatever the column's own character set. Rows in which it is right stay as they are. A
    field's `map` has the word as it should be, once.
    """

    unprintable: Literal["space", "quarantine"] = "space"
    #: A text that is longer than an order allows is cut, or the order is quarantined.
    too_long: Literal["cut", "quarantine"] = "quarantine"
    utf8_in_latin1: tuple[Name, ...] = ()


class Lines(_Section, frozen=True):
    """The order's lines: columns of a row per line, or names in the JSON of `column`."""

    sku: Name
    quantity: Name
    unit_price: Name
    column: Name | None = None
    #: The name of the list in the JSON object; left out where the JSON is the list itself.
    list: str | None = None
    #: Lines that are really postage: they become the order's shipping.
    shipping_skus: tuple[str, ...] = ()


class Money(_Section, frozen=True):
    """`unit`: "major" for pounds and pence as 12.34, "minor" for whole pence."""

    unit: Literal["major", "minor"] = "major"
    #: An order with a fraction of a minor unit is quarantined, or the amount rounded half to even.
    fractions: Literal["quarantine", "round"] = "quarantine"


class AddressFields(_Section, frozen=True):
    name: Field
    lines: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=5)]
    city: Field
    country: Field
    postal_code: Field | None = None
    state: Field | None = None
    phone: Field | None = None
    email: Field | None = None

    @property
    def optional(self) -> dict[str, Field]:
        """Those that the old table has, by their name in an order."""
        named = {
            "postal_code": self.postal_code,
            "state": self.state,
            "phone": self.phone,
            "email": self.email,
        }
        return {name: field for name, field in named.items() if field is not None}

    @property
    def all(self) -> tuple[Field, ...]:
        return (self.name, *self.lines, self.city, self.country, *self.optional.values())


class OrderFields(_Section, frozen=True):
    """Which column is which field. Without `total`, it is the sum of the rest."""

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

    @property
    def texts(self) -> list[Field]:
        """What is stored as it is written, but for repairs."""
        single = (self.currency, self.payment_reference, self.coupon, self.purchase_order)
        return [field for field in (*single, *self.address.all) if field is not None]


class StatusMeaning(_Section, frozen=True):
    """What an old status means. `done` are the steps that an open order has behind it."""

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


class Rules(_Section, frozen=True):
    """The rules that a settled old order may break. An open order must keep all rules."""

    tolerated: tuple[Rule, ...] = (
        Rule.SKU_PRICE_CONFLICT,
        Rule.CURRENCY_NOT_ACCEPTED,
        Rule.PURCHASE_ORDER_MISSING,
        Rule.PURCHASE_ORDER_NOT_FOR_RETAIL,
    )
    #: With more orders in quarantine the mapping must be wrong: `copy` stops.
    quarantined_max: Annotated[int, Meta(ge=0)] = 10_000


#: Fields without which an order is still the same order.
Losable = Literal[
    "created_at",
    "channel",
    "coupon",
    "payment_reference",
    "purchase_order",
    "address",
    "address.name",
    "address.lines",
    "address.city",
    "address.country",
    "address.postal_code",
    "address.state",
    "address.phone",
    "address.email",
]


class Back(_Section, frozen=True):
    """How `back` writes new orders into the old table.

    `key`: with "auto_increment" MySQL makes the number, "order_id" uses the new id (in a text
    column), "numbered" counts from `first_key`. `columns` are fixed values for columns that no
    field fills.
    """

    key: Literal["auto_increment", "order_id", "numbered"]
    #: The old status for each new one.
    statuses: dict[Status, str]
    first_key: Annotated[int, Meta(ge=1)] | None = None
    columns: dict[Name, str] = {}
    #: What an order may lose on its way back, because the old table cannot hold it. "address" is
    #: all of it. An order that would lose anything else is not written, and quarantined.
    may_lose: tuple[Losable, ...] = ()
    #: The environment variable with the URL of a user who may write; by default the source's.
    url_variable: str | None = None

    def __post_init__(self) -> None:
        if (self.key == "numbered") != (self.first_key is not None):
            raise ValueError('first_key goes with key = "numbered"')
        # Only a stage with approvals has held orders, and no old shop had any.
        lacking = [each.value for each in Status if each not in {*self.statuses, Status.HELD}]
        if lacking:
            raise ValueError(f"statuses lacks {', '.join(lacking)}")


class Cutover(_Section, frozen=True):
    """Your own commands, run without a shell. Without them, you act when the checklist asks.

    That `read_only_command` ends with 0 says that the old shop can write no more. `switch_command`
    must bear repetition: a cutover that was killed meanwhile runs it again.
    """

    read_only_command: tuple[str, ...] = ()
    switch_command: tuple[str, ...] = ()
    #: How long the old shop may take to stop writing.
    wait_seconds_max: Annotated[int, Meta(ge=1, le=3_600)] = 300
    #: So long no order of the old table must change before the switch, and the log is watched as
    #: long after it.
    quiet_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 5


def _columns_of(section: _Section, place: str) -> Iterator[tuple[str, str]]:
    """Of a section whose texts are columns: each field's place and column."""
    for name in section.__struct_fields__:
        value = getattr(section, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, AddressFields):
                yield from _columns_of(one, f"{place}.{name}")
            column = one.column if isinstance(one, Field) else one
            if isinstance(column, str):
                yield f"{place}.{name}", column


class Config(_Section, frozen=True):
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
    #: The file of orders that cannot be mapped, one JSON object a line.
    quarantine_file: str = "quarantine.jsonl"

    def __post_init__(self) -> None:
        mended = set(self.texts.utf8_in_latin1) - {field.column for field in self.order.texts}
        if mended:
            raise ValueError(
                f"texts.utf8_in_latin1: {', '.join(sorted(mended))} is no column of a text field"
            )
        by_order = self.source.shape == "row_per_order"
        if by_order != (self.lines.column is not None):
            raise ValueError('lines.column (the JSON) goes with shape = "row_per_order"')
        if self.back is not None:
            self._check_the_way_back(self.back, by_order=by_order)

    def _check_the_way_back(self, back: Back, *, by_order: bool) -> None:
        if self.source.changes:
            raise ValueError(
                "[back] needs a table, and source.changes belongs to a view: no order can be"
                " inserted through several tables, so leave [back] out"
            )
        if back.key == "auto_increment" and not by_order:
            raise ValueError(
                'back.key = "auto_increment" goes with shape = "row_per_order": MySQL would give'
                " each line a number of its own"
            )
        written: dict[str, str] = {}
        fixed = (("back.columns", column) for column in back.columns)
        for place, column in chain(self.columns, fixed):
            if column in written:
                raise ValueError(
                    f"with [back], {written[column]} and {place} would both be written into the"
                    f" column {column}: give one of them another column, or a value"
                )
            written[column] = place
        for status, word in back.statuses.items():
            meaning = self.statuses.get(word)
            if meaning is None:
                raise ValueError(f"back.statuses.{status.value}: {word!r} is not among statuses")
            if meaning.is_ != (status.value if status in SETTLED else "open"):
                raise ValueError(
                    f"back.statuses.{status.value}: {word!r} means {meaning.is_} in statuses"
                )

    @property
    def reads(self) -> str:
        """What decides which rows are which order, and when. An order is found again by it."""
        source = self.source
        settings = {
            "order.key": self.order.key,
            "source.where": source.where,
            "source.time_zone": source.time_zone,
        }
        return ", ".join(f"{name} = {value}" for name, value in settings.items() if value)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Each field that comes from a column of the old table, and that column: `back` writes it
        there."""
        lines = self.lines
        of_lines = (
            [("lines.column", lines.column)]
            if lines.column is not None
            else [(f"lines.{name}", getattr(lines, name)) for name in _OF_A_LINE]
        )
        customer = ("customers.column", self.customers.column)
        return [*_columns_of(self.order, "order"), customer, *of_lines]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Every column of the old table that the file names, once; the order number's is first."""
        return tuple(dict.fromkeys(column for _, column in self.columns))


def read_config(path: Path) -> Config:
    """UsageError: the file is missing, is not TOML, or has a setting that cannot be."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {why_not(error)}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    if left := list(_left_to_do(settings)):
        raise UsageError(f"{path} still has {TODO} for {', '.join(left)}: say what is right there.")
    try:
        return msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} has a wrong setting: {error}.") from error


def _left_to_do(settings: object, place: str = "") -> Iterator[str]:
    """The places of all settings that are still `TODO`."""
    if settings == TODO:
        yield place
    elif isinstance(settings, dict):
        for name, one in settings.items():
            yield from _left_to_do(one, f"{place}.{name}" if place else str(name))
    elif isinstance(settings, list):
        for one in settings:
            yield from _left_to_do(one, place)

"""The environment variables of each deployed function, declared once.

A field is a variable of the same name in capitals. The functions read them (`read`), the CDK and
the simulated world write them (`infra.function_settings`). A missing or unreadable variable is
named at the first start, not at the first order that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, Self

import msgspec
from msgspec import Meta

from orders.domain.events import EventType
from orders.domain.keeping import HOLD_DAYS_MAX, KEPT_DAYS_MIN
from orders.domain.saga import DOWNSTREAM_OF, ONCE_RESERVED, Downstream

#: "none": the client certificate alone says who calls.
Auth = Literal["api_key", "sigv4", "oauth", "none"]
#: How a client proves itself to OAuth's token endpoint: by HTTP Basic, or in the form.
ClientAuth = Literal["basic", "form"]
#: Under which name SigV4 signs for API Gateway, a function and its URL, a queue, and VPC Lattice.
SigningService = Literal["execute-api", "lambda", "sqs", "vpc-lattice-svcs"]
Idempotency = Literal["keys", "lookup"]
#: Of the calls that a delivery makes at once, at most this share is at each further downstream on
#: the express path. An order is about as long at inventory as there, so more would not settle a
#: crowd sooner, and would leave less of what they bear to their own deliveries (decision 0056).
EXPRESS_SHARE = 1 / 2
#: What inventory's delivery calls on the express path, where they have idempotency keys.
EXPRESS_CALLS: tuple[Downstream, ...] = tuple(DOWNSTREAM_OF[step] for step in ONCE_RESERVED)
#: Who says what an order costs.
PricesBy = Literal["book", "signed", "book_or_signed", "client"]
#: The payment gateways that have an API, in orders.gateways.
GatewayName = Literal["stripe"]
#: A payment is looked at when it is a day old, so less than two days would be nothing.
WINDOW_DAYS_MIN = 2
#: What an event says of an order: `EventType`'s names.
EventName = Literal[
    "accepted",
    "confirmed",
    "rejected",
    "cancelled",
    "payment_returned",
    "shipped",
    "delivered",
    "returned",
]
#: Of how many orders one has its good news logged (`orders.telemetry`).
OneIn = Annotated[int, Meta(ge=1, le=1_000)]
TimeoutSeconds = Annotated[float, Meta(gt=0, le=60)]


def has_book(prices: PricesBy) -> bool:
    """Whether the store's price book, and with it its coupons, say what an order costs."""
    return prices in ("book", "book_or_signed")


def takes_signatures(prices: PricesBy) -> bool:
    """Whether a pricing engine's signature says what an order costs, if it has one."""
    return prices in ("signed", "book_or_signed")


class SettingInvalid(Exception):
    """A setting is missing or makes no sense: the deployment is at fault."""


class Settings(msgspec.Struct, frozen=True, rename="upper"):
    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """An empty variable counts as missing. Raises `SettingInvalid`."""
        given = {name: text for name, value in environment.items() if (text := value.strip())}
        try:
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            raise SettingInvalid(f"The function's environment is wrong: {error}") from None

    def environment(self) -> dict[str, str]:
        """What `read` reads."""
        settings = msgspec.to_builtins(self)
        return {name: str(value) for name, value in settings.items() if value is not None}


class WithBucket(Settings, frozen=True, kw_only=True):
    """Of a function that reaches a bucket without the SDK."""

    #: Set by Lambda; the second only by the emulator.
    aws_region: str | None = None
    aws_endpoint_url: str | None = None


class WithClaims(WithBucket, frozen=True, kw_only=True):
    """Of a function that customers call. What each claim says: `orders.domain.caller.Claims`."""

    retail_customer_claim: str
    wholesale_customer_claim: str


class IntakeSettings(WithClaims, frozen=True, kw_only=True):
    orders_table: str
    archive_bucket: str
    table_timeout_seconds: TimeoutSeconds
    overflow_queue_url: str
    receipt_keys_parameter: str
    #: ISO 4217 codes, separated by commas.
    currencies: str
    groups_claim: str
    wholesale_group: str
    prices: PricesBy
    price_grace_seconds: Annotated[int, Meta(ge=0)]
    prices_bucket: str
    coupons_table: str
    coupon_keys_parameter: str
    #: Whether orders may go by the express path.
    express: bool
    good_news_one_in: OneIn
    #: Whether a customer may use a purchase order number for one order only.
    purchase_orders_unique: bool
    #: Of a stage that holds orders above a buyer's limit: all three, or none.
    limit_claim: str | None = None
    approver_group: str | None = None
    hold_days: Annotated[int, Meta(ge=1, le=HOLD_DAYS_MAX)] | None = None
    #: Where the pricing engine's signatures are taken.
    price_keys_parameter: str | None = None

    def __post_init__(self) -> None:
        of_holds = (self.limit_claim, self.approver_group, self.hold_days)
        if len({setting is None for setting in of_holds}) > 1:
            raise ValueError("LIMIT_CLAIM, APPROVER_GROUP and HOLD_DAYS go together")
        if (self.price_keys_parameter is not None) != takes_signatures(self.prices):
            raise ValueError(
                "PRICE_KEYS_PARAMETER goes with PRICES signed and book_or_signed, and only with"
                " those"
            )


class DrainSettings(Settings, frozen=True):
    orders_table: str
    queue_url: str
    dead_letter_queue_url: str


class _CommandQueues(Settings, frozen=True):
    inventory_queue_url: str
    fulfilment_queue_url: str
    accounting_queue_url: str

    @property
    def queue_urls(self) -> Mapping[Downstream, str]:
        return {
            "inventory": self.inventory_queue_url,
            "fulfilment": self.fulfilment_queue_url,
            "accounting": self.accounting_queue_url,
        }


#: An empty variable counts as missing: a stage that publishes no events says so.
_NO_EVENTS: Final = "none"


class _Publishing(_CommandQueues, frozen=True):
    """Of a function that publishes events."""

    events_topic_arn: str
    #: Names of event types, separated by commas; see `events_published_of`.
    events_published: str

    def __post_init__(self) -> None:
        _ = self.published_types

    @property
    def published_types(self) -> frozenset[EventType]:
        return _types_of(self.events_published)


def _types_of(events_published: str) -> frozenset[EventType]:
    if events_published == _NO_EVENTS:
        return frozenset()
    try:
        return frozenset(EventType[one.upper()] for one in events_published.split(","))
    except KeyError as unknown:
        raise ValueError(f"EVENTS_PUBLISHED names an unknown event: {unknown}") from None


def events_published_of(names: Sequence[EventName]) -> str:
    """The variable's value for a stage that publishes these types."""
    return ",".join(names) or _NO_EVENTS


class RelaySettings(_Publishing, frozen=True):
    orders_table: str
    coupons_table: str
    watchdog_queue_url: str
    relay_dead_letter_queue_url: str


class OAuthClient(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who the deliveries are to an OAuth 2 token endpoint."""

    token_url: str
    client_id: str
    secret_parameter: str
    scope: str | None = None
    audience: str | None = None
    client_auth: ClientAuth = "basic"


class Called(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a downstream is called. `url` has no slash at the end, or is a function's ARN."""

    url: str
    auth: Auth
    idempotency: Idempotency
    timeout_seconds: TimeoutSeconds
    #: The file that says what is asked and what answers mean (orders.downstream.description).
    description: str
    api_key_parameter: str | None = None
    signing_service: SigningService | None = None
    #: The downstream's. None is the function's own, as for a queue of the emulator.
    signing_region: str | None = None
    oauth: OAuthClient | None = None
    #: A certificate of ours with its key, for mutual TLS.
    client_certificate_parameter: str | None = None
    #: Authorities that may have signed the downstream's certificate, instead of the public ones.
    server_ca_parameter: str | None = None

    def __post_init__(self) -> None:
        for auth, name, value in (
            ("api_key", "api_key_parameter", self.api_key_parameter),
            ("sigv4", "signing_service", self.signing_service),
            ("oauth", "oauth", self.oauth),
        ):
            if (self.auth == auth) != (value is not None):
                raise ValueError(f"{name} goes with auth {auth}, and only with it")

    @property
    def signing(self) -> tuple[SigningService, str | None]:
        """Service and Region that requests are signed for, where they are."""
        if self.signing_service is None:
            raise ValueError(f"requests to {self.url} are not signed")
        return self.signing_service, self.signing_region


class DeliverSettings(Settings, frozen=True):
    orders_table: str
    queue_url: str
    dead_letter_queue_url: str
    #: Whose commands are delivered.
    downstream: Downstream
    #: A JSON object of each one that is called, as `Called`: this one, and those of `EXPRESS_CALLS`
    #: that an order's express path leads to.
    downstreams: str
    good_news_one_in: OneIn
    #: How long after the start of a batch a command may still be begun.
    turns_seconds: TimeoutSeconds
    #: How long after it what is not done of a batch message may still be requeued.
    finish_seconds: TimeoutSeconds
    #: For an order that goes by the express path, from begin to end. None: none does.
    express_seconds: Annotated[float, Meta(gt=0, le=30)] | None = None

    def __post_init__(self) -> None:
        if self.downstream not in self.called:
            raise ValueError(f"DOWNSTREAMS does not say how {self.downstream} is called")
        if (self.express_seconds is not None) != (len(self.called) > 1):
            raise ValueError("EXPRESS_SECONDS goes with further DOWNSTREAMS, and only with them")

    @property
    def called(self) -> Mapping[Downstream, Called]:
        return msgspec.json.decode(self.downstreams, type=dict[Downstream, Called])


class ToldBy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a downstream tells what it has decided. `keys_parameter`: of what its callbacks are
    signed with, None where it tells by its queue."""

    description: str
    queue_url: str
    dead_letter_queue_url: str
    keys_parameter: str | None = None


class OutcomesSettings(Settings, frozen=True):
    orders_table: str
    #: A JSON object of each downstream that tells, as `ToldBy`.
    downstreams: str

    def __post_init__(self) -> None:
        _ = self.told_by

    @property
    def told_by(self) -> Mapping[Downstream, ToldBy]:
        return msgspec.json.decode(self.downstreams, type=dict[Downstream, ToldBy])


class WatchdogSettings(_Publishing, frozen=True):
    orders_table: str
    coupons_table: str
    queue_url: str
    dead_letter_queue_url: str
    inventory_dead_letter_queue_url: str
    fulfilment_dead_letter_queue_url: str
    accounting_dead_letter_queue_url: str
    delay_seconds: Annotated[int, Meta(ge=1, le=900)]

    @property
    def dead_letter_queue_urls(self) -> Mapping[Downstream, str]:
        return {
            "inventory": self.inventory_dead_letter_queue_url,
            "fulfilment": self.fulfilment_dead_letter_queue_url,
            "accounting": self.accounting_dead_letter_queue_url,
        }


class ReadsSettings(WithClaims, frozen=True, kw_only=True):
    orders_table: str
    archive_bucket: str


class PaymentsSettings(WithBucket, frozen=True, kw_only=True):
    orders_table: str
    archive_bucket: str
    overflow_queue_url: str
    overflow_dead_letter_queue_url: str
    events_topic_arn: str
    #: As relay's.
    events_published: str
    gateway: GatewayName
    gateway_url: str
    gateway_key_parameter: str
    window_days: Annotated[int, Meta(ge=WINDOW_DAYS_MIN)]
    refunds_max: Annotated[int, Meta(ge=0)]
    #: The function's timeout.
    run_seconds: Annotated[int, Meta(ge=1, le=900)]

    def __post_init__(self) -> None:
        _ = self.published_types

    @property
    def published_types(self) -> frozenset[EventType]:
        return _types_of(self.events_published)


class ArchiveSettings(WithBucket, frozen=True, kw_only=True):
    orders_table: str
    archive_bucket: str
    keep_days: Annotated[int, Meta(ge=KEPT_DAYS_MIN)]
    #: What becomes of orders that were brought over from an older database.
    keep_imported: Literal["archive", "table"]
    #: The function's timeout.
    run_seconds: Annotated[int, Meta(ge=1, le=900)]

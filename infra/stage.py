"""A stage's settings: what differs between one deployment of Spillway and another.

Each stage has a file, `infra/stages/<stage>.toml`. An unknown name, a wrong type or a number out of
bounds stops the synthesis with one sentence (`StageError`), before any call to AWS.
"""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from orders.domain import saga
from orders.domain.caller import PERSON
from orders.domain.keeping import HOLD_DAYS_MAX, KEPT_DAYS_MIN
from orders.domain.saga import DOWNSTREAM_OF, ONCE_RESERVED, Step
from orders.domain.waits import BATCH_MS, CLAIM_MS, DELIVER_CALL_SECONDS, PARAMETER_SECONDS
from orders.downstream.description import (
    By,
    Description,
    DescriptionError,
    Outcomes,
    described,
)
from orders.flow.archive import BATCH_SECONDS
from orders.gateways.stripe import URL as STRIPE_URL
from orders.settings import (
    EXPRESS_SHARE,
    WINDOW_DAYS_MIN,
    Auth,
    ClientAuth,
    EventName,
    GatewayName,
    OneIn,
    PricesBy,
    SigningService,
    takes_signatures,
)
from orders.telemetry import GOOD_NEWS_WITHIN_MS

STAGES = Path(__file__).parent / "stages"

#: The stacks that a stage may have, without the stage's name. With an issuer of one's own there is
#: no identity stack, and only a stage with fakes has the last.
STACKS = ("data", "identity", "service", "operations", "web", "downstreams")
#: Those that have termination protection: what they hold can't be made again. The CDK sets it
#: outside of templates.
PROTECTED_STACKS = ("data", "identity")

#: An HTTP API answers 503 after 30 s; a function behind it must answer before that.
API_TIMEOUT_SECONDS = 30
#: What a delivery needs beside its downstream's answer: its key, reading the order (a second time
#: if it was not there), recording the outcome. A batch's deliveries run side by side.
DELIVER_OVERHEAD_SECONDS = math.ceil(PARAMETER_SECONDS + 3 * DELIVER_CALL_SECONDS)
#: The same on the emulator, whose stages are for trying things out.
LOCAL_OVERHEAD_SECONDS = 5

#: The least that Lambda's mapping of a queue takes as its maximum concurrency.
DELIVERIES_MIN = 2

#: The end of the parameter with the payment gateway's key.
GATEWAY_KEY = "gateway-key"

#: Reserved for examples (RFC 2606): no real service has such a name.
EXAMPLE_DOMAINS = ("example.com", "example.net", "example.org", ".example")
#: Of the sign-in page's name, as the stages in the repository have it: one of a kind in all of AWS,
#: so it can be anybody's but yours.
EXAMPLE_PREFIX = "example-"
#: Cognito takes no domain with one of these in it.
RESERVED_IN_PREFIX = ("aws", "amazon", "cognito")

MemoryMb = Annotated[int, Meta(ge=128, le=10_240)]
TimeoutSeconds = Annotated[int, Meta(ge=1, le=900)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+[^/\s]$")]
IssuerUrl = Annotated[str, Meta(pattern=r"^https://[^\s]+$")]


#: What a signed request may invoke, by the service in its ARN, and as what SigV4 signs for it.
_SIGNED: dict[str, SigningService] = {
    "execute-api": "execute-api",
    "lambda": "lambda",
    "vpc-lattice": "vpc-lattice-svcs",
}
_ORIGIN = re.compile(r"(https://[a-z0-9-]+(\.[a-z0-9-]+)+|http://localhost)(:[0-9]{1,5})?")
_INVOKE_ARN = re.compile(rf"arn:aws[\w-]*:({'|'.join(_SIGNED)}):([a-z]+-[a-z-]+-\d):\d{{12}}:\S+")
#: A function, maybe with its alias or version.
_FUNCTION_ARN = re.compile(
    r"arn:aws[\w-]*:lambda:([a-z]+-[a-z-]+-\d):\d{12}:function:[\w-]+(:[\w$-]+)?"
)
#: An SQS queue on AWS or on the emulator.
_QUEUE_URL = re.compile(
    r"(?:https://sqs\.(?P<region>[a-z]+-[a-z-]+-\d)\.amazonaws\.com(?:\.cn)?|http://[^/]+)"
    r"/(?P<account>\d{12})/(?P<name>[\w-]{1,80}(?:\.fifo)?)"
)
#: AWS's own address of such a service: its name there, and its Region.
#: What a path may be written behind.
_BASE_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-\"$->A-\[\]-~]*)?")
_SIGNED_HOST = re.compile(r"\.(execute-api|lambda-url|vpc-lattice-svcs)\.([a-z]+-[a-z-]+-\d)\.")

#: The tables of a stage's file that are about its downstreams.
_OF_DOWNSTREAMS = frozenset({"downstreams", "express"})


class StageError(Exception):
    """The stage is unknown or its settings are wrong. The message is one sentence."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a stage's file."""


class Throttle(Settings, frozen=True):
    """Above these the gateway answers 429, before any code runs or costs anything."""

    requests_per_second_max: Annotated[int, Meta(ge=1, le=10_000)]
    burst_max: Annotated[int, Meta(ge=1, le=5_000)]


class Api(Settings, frozen=True):
    """How often each route may be called, by all customers together.

    The account has 10,000 requests/s for all its APIs. A route of its own share cannot take it
    from the others: a page that polls must not keep orders out.
    """

    place: Throttle
    cancel: Throttle
    read: Throttle
    history: Throttle
    quote: Throttle
    #: By downstreams that tell what they decide later. Above it they are answered 429, and send
    #: again; an outcome that never comes is asked for.
    outcomes: Throttle = Throttle(requests_per_second_max=200, burst_max=400)
    #: Whose pages may call the API from a browser, beside the storefront, which has its own origin:
    #: an app's web view, a site with a front end of its own. An app outside a browser needs none.
    allowed_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"allowed_origins has {origin!r}, and a browser sends an origin as https:// "
                    "and a name in lower case, without a path or a slash at the end"
                )


class CognitoPool(Settings, frozen=True, tag_field="by", tag="cognito"):
    """Spillway's own user pool."""

    self_sign_up: bool
    #: Lets whoever holds AWS credentials for the pool sign a user in by password. For tests.
    admin_password_sign_in: bool
    #: The sign-in page is at https://<this>.auth.<region>.amazoncognito.com: one of a kind in AWS.
    domain_prefix: Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]

    def __post_init__(self) -> None:
        for word in RESERVED_IN_PREFIX:
            if word in self.domain_prefix:
                raise ValueError(f"Cognito takes no domain_prefix with {word!r} in it")


class OidcIssuer(Settings, frozen=True, tag_field="by", tag="issuer"):
    """Any OpenID Connect provider. The service then needs no identity stack."""

    issuer: IssuerUrl
    audience: Annotated[tuple[str, ...], Meta(min_length=1)]
    #: The storefront's client there: public, code flow with PKCE, back to <web.url>/signed-in.
    client_id: Annotated[str, Meta(min_length=1)]
    scope: str = "openid email"
    #: The API takes tokens that have one of these scopes. An ID token has none: it says who signed
    #: in, and to nobody else than the storefront.
    api_scopes: tuple[str, ...] = ("openid",)

    def __post_init__(self) -> None:
        if not self.api_scopes and self.client_id in self.audience:
            raise ValueError(
                "without api_scopes ID tokens are taken, because the audience is the client_id"
            )


class Web(Settings, frozen=True):
    """The storefront."""

    #: Its address. Sign-in comes back to <url>/signed-in, sign-out to <url>/. Without a certificate
    #: it is CloudFront's, which exists only after the first deployment: until it is here, Cognito's
    #: pool signs nobody in.
    url: Url | None = None
    #: Of the certificate for it, in us-east-1; without one the distribution has AWS's own name.
    certificate_arn: Annotated[str, Meta(pattern=r"^arn:aws[\w-]*:acm:us-east-1:")] | None = None
    #: Other origins that its script connects to: a payment gateway, say.
    connect_sources: tuple[Url, ...] = ()

    def __post_init__(self) -> None:
        if self.certificate_arn is not None and self.url is None:
            raise ValueError("certificate_arn goes with url, the address that it is for")

    @property
    def host(self) -> str | None:
        """The address without its scheme."""
        return None if self.url is None else self.url.partition("://")[2]


Claim = Annotated[str, Meta(min_length=1)]


class CustomerClaim(Settings, frozen=True):
    """By channel, the token's claim whose value is the customer of its orders. Buyers whose tokens
    have one company there share its history, limits and coupons."""

    retail: Claim = PERSON
    wholesale: Claim = PERSON


class Approvals(Settings, frozen=True):
    """An order above its buyer's limit is held until an approver of the same company, who is not
    the buyer, releases or refuses it. In a stage that runs a release without it, deploy this one
    first and add the table then."""

    #: The token's claim that has the limit, in minor units of whatever currency an order has. A
    #: buyer without it has none.
    limit_claim: Claim
    #: The group of those who decide.
    group: Annotated[str, Meta(min_length=1)]
    #: After how long an order that nobody has decided about is refused.
    days: Annotated[int, Meta(ge=1, le=HOLD_DAYS_MAX)]


class Orders(Settings, frozen=True):
    #: ISO 4217 codes.
    currencies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{3}$")], ...], Meta(min_length=1)
    ]
    #: How long intake waits for the table, the second try counted, before an order overflows.
    table_timeout_seconds: Annotated[float, Meta(ge=0.2, le=10)]
    #: Who says what an order costs: the store's price book, the signature of its own pricing
    #: engine, either, or nobody but the client.
    prices: PricesBy
    #: Goes with `prices = "client"`, and only with it.
    anyone_may_name_a_price: bool = False
    #: How long after its id was made an order still costs what things cost then.
    price_grace_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 3_600
    #: Orders stay under the customer that they were placed for: before you change it for a channel
    #: that has orders, read decision 0057.
    customer_claim: CustomerClaim = CustomerClaim()
    #: The token's claim that lists the customer's groups.
    groups_claim: str = "cognito:groups"
    #: The group whose members may place wholesale orders.
    wholesale_group: Annotated[str, Meta(min_length=1)] = "wholesale"
    #: Whether a customer may use a purchase order number for one order only. Its order is then
    #: written in one transaction with the number's item, and does not overflow.
    purchase_orders_unique: bool = False
    approvals: Approvals | None = None

    def __post_init__(self) -> None:
        if self.approvals is not None and self.customer_claim.wholesale == PERSON:
            raise ValueError(
                "approvals go with customer_claim.wholesale, a company's: a person has no approver"
            )
        if (self.prices == "client") != self.anyone_may_name_a_price:
            raise ValueError(
                'prices = "client" goes with anyone_may_name_a_price = true, and only with it'
            )


class Events(Settings, frozen=True):
    """Which events of an order are published on the topic. Each one is paid for, also where nobody
    subscribes."""

    published: tuple[EventName, ...]

    def __post_init__(self) -> None:
        if len(set(self.published)) < len(self.published):
            raise ValueError("published must name each type once")


#: Of a stage that does not say: whoever has subscribed must not lose events by an upgrade.
EVERY_EVENT = Events(published=get_args(EventName))


class Watchdog(Settings, frozen=True):
    #: After how long an order is looked at. A queue delays no longer.
    delay_seconds: Annotated[int, Meta(ge=1, le=900)]
    #: How long a batch of looks may wait to be filled. A batch of more than ten needs a window.
    window_seconds: Annotated[int, Meta(ge=1, le=300)]
    #: How long changes of the table are collected before it is decided which orders to look at.
    #: Most have settled by then and are not looked at. Lambda collects no longer.
    stream_window_seconds: Annotated[int, Meta(ge=0, le=300)] = 300


class Relay(Settings, frozen=True):
    #: Batches of one shard that are relayed at once; an order's changes keep their order. More of
    #: them relay a crowd faster, and make smaller and so dearer batches of what comes between:
    #: `spillway capacity` says when to raise it.
    parallelization: Annotated[int, Meta(ge=1, le=10)]


class FunctionSize(Settings, frozen=True):
    memory_mb: MemoryMb
    timeout_seconds: TimeoutSeconds


class Functions(Settings, frozen=True):
    intake: FunctionSize
    reads: FunctionSize
    drain: FunctionSize
    relay: FunctionSize
    deliver: FunctionSize
    watchdog: FunctionSize
    #: Once a day, where `[keeping]` has `days`: what it does not finish waits for the next month.
    archive: FunctionSize = FunctionSize(memory_mb=512, timeout_seconds=900)
    #: Once an hour, where there is `[payments]`. It waits for the gateway most of the time.
    payments: FunctionSize = FunctionSize(memory_mb=256, timeout_seconds=900)
    #: Only where a downstream tells what it decides later.
    outcomes: FunctionSize = FunctionSize(memory_mb=256, timeout_seconds=25)

    def __post_init__(self) -> None:
        for name in ("intake", "reads", "outcomes"):
            size = self.of(name)
            if size.timeout_seconds >= API_TIMEOUT_SECONDS:
                raise ValueError(
                    f"{name} must time out before the API does, after {API_TIMEOUT_SECONDS} s"
                )
        if self.archive.timeout_seconds <= BATCH_SECONDS:
            raise ValueError(
                f"archive must have more than {BATCH_SECONDS} s: one batch may take that"
            )

    def of(self, function: str) -> FunctionSize:
        """By the function's name: the three deliveries share one size."""
        size: FunctionSize = getattr(self, function.partition("-")[0])
        return size


class Downstream(Settings, frozen=True):
    #: Without a slash at the end, a query, or a name and a password; a function's ARN or an SQS
    #: queue's URL where the description says so. With fakes, a parameter of the deployment replaces
    #: it.
    url: Annotated[str, Meta(pattern=r"^(https?://[^\s]+[^/\s]|arn:aws[\w-]*:lambda:\S+)$")]
    auth: Auth
    #: How long one call may take before its outcome counts as unknown.
    timeout_seconds: Annotated[int, Meta(ge=1, le=60)]
    #: Deliveries that run at once: what this downstream bears.
    concurrency_max: Annotated[int, Meta(ge=DELIVERIES_MIN, le=1_000)]
    #: How it is spoken to: a file in src/orders/downstream/descriptions, docs/downstreams.md. Left
    #: out, it keeps to the contract of its name in docs/contracts.
    description: str | None = None
    #: "lookup" is for one that has no idempotency keys: each command is looked up first.
    idempotency: Literal["keys", "lookup"] = "keys"
    #: What SigV4 may invoke. It also says for which service and Region requests are signed:
    #: arn:aws:execute-api:eu-west-1:111122223333:abc/prod/POST/* (with lookups .../prod/*, because
    #: they are GETs), arn:aws:lambda:eu-west-1:111122223333:function:stock for a function's URL,
    #: arn:aws:vpc-lattice:eu-west-1:111122223333:service/svc-0123456789abcdef0/*.
    invoke_arn: str | None = None
    #: OAuth 2 client credentials: where tokens are (an address, or a path below `url`), and who we
    #: are there. The client's secret is in Parameter Store. Fetching a token is part of the
    #: `timeout_seconds` of the call that needs it.
    token_url: Annotated[str, Meta(pattern=r"^(https?://|/)\S+$")] | None = None
    client_id: Annotated[str, Meta(min_length=1)] | None = None
    #: What the token is asked for, where the endpoint wants to know: scopes with a space between
    #: them, and whose API it is for.
    scope: str | None = None
    audience: str | None = None
    #: "form" is for an endpoint that does not take the client's secret by HTTP Basic.
    client_auth: ClientAuth = "basic"
    #: We show a certificate (mutual TLS). It and its key are in Parameter Store. With auth = "none"
    #: it alone says who calls.
    client_certificate: bool = False
    #: Its own certificate is signed by an authority in Parameter Store instead of by a public one.
    server_ca: bool = False
    #: Who may send to the queue on which it tells what it decides later: its account's root, or a
    #: role of it.
    outcomes_from: (
        Annotated[str, Meta(pattern=r"^arn:aws[\w-]*:iam::\d{12}:(root|role/\S+|user/\S+)$")] | None
    ) = None

    def __post_init__(self) -> None:
        if self.by == "https" and not _BASE_URL.fullmatch(self.url):
            raise ValueError(
                "url must be an address that paths can follow, with neither name, password, query,"
                " fragment nor other letters than ASCII"
            )
        if self.by != "https":
            self._check_direct()
        elif (self.auth == "sigv4") != (self.invoke_arn is not None):
            raise ValueError("invoke_arn goes with auth sigv4, and only with it")
        for name, value in (("token_url", self.token_url), ("client_id", self.client_id)):
            if (self.auth == "oauth") != (value is not None):
                raise ValueError(f"{name} goes with auth oauth, and only with it")
        if self.auth != "oauth" and (self.scope or self.audience or self.client_auth != "basic"):
            raise ValueError("scope, audience and client_auth go with auth oauth, and only with it")
        if self.auth == "none" and not self.client_certificate:
            raise ValueError(
                "auth none goes with client_certificate = true: something must say who calls"
            )
        if self.signing is not None and self.by == "https":
            self._check_address(*self.signing)

    @property
    def by(self) -> By:
        """How its address is reached: what its description must say too."""
        if self.url.startswith("arn:"):
            return "lambda"
        return "queue" if _QUEUE_URL.fullmatch(self.url) else "https"

    @property
    def queue(self) -> tuple[str | None, str, str]:
        """Of a queue: Region (None on the emulator), account and name."""
        found = _QUEUE_URL.fullmatch(self.url)
        if found is None:
            raise ValueError(f"{self.url} is no queue's URL")
        return found["region"], found["account"], found["name"]

    def _check_direct(self) -> None:
        """A function or a queue knows the delivery by its role."""
        if self.by == "lambda" and not _FUNCTION_ARN.fullmatch(self.url):
            raise ValueError(
                "url must be a function's ARN, arn:aws:lambda:<Region>:<account>:function:<name>,"
                " with :<alias> where it has one"
            )
        if self.auth != "sigv4" or self.invoke_arn or self.client_certificate or self.server_ca:
            raise ValueError(
                "a function or a queue goes with auth sigv4, and neither with invoke_arn nor with"
                " certificates: the delivery's role may use what url says"
            )

    @property
    def signing(self) -> tuple[SigningService, str | None] | None:
        """Service and Region that SigV4 signs for."""
        if self.by == "lambda":
            return "lambda", self.url.split(":")[3]
        if self.by == "queue":
            return "sqs", self.queue[0]
        if self.invoke_arn is None:
            return None
        found = _INVOKE_ARN.fullmatch(self.invoke_arn)
        if found is None:
            raise ValueError(
                "invoke_arn must be an API's (execute-api), a function's (lambda) or a VPC Lattice"
                " service's (vpc-lattice), with its Region and account"
            )
        return _SIGNED[found[1]], found[2]

    def _check_address(self, service: SigningService, region: str | None) -> None:
        """A signature for another service or Region than the address's is answered 403."""
        host = _SIGNED_HOST.search(urlsplit(self.url).hostname or "")
        if host and (host[1].removesuffix("-url"), host[2]) != (service, region):
            raise ValueError(
                f"url is an address of {host[1]} in {host[2]}, and invoke_arn is of {service} in"
                f" {region}"
            )

    @property
    def outcome_seconds_max(self) -> int:
        """How long it may take until an outcome is known, or known to be unknown."""
        calls = 2 if self.idempotency == "lookup" else 1
        return calls * self.timeout_seconds


class Downstreams(Settings, frozen=True):
    inventory: Downstream
    fulfilment: Downstream
    accounting: Downstream

    def by_name(self) -> dict[saga.Downstream, Downstream]:
        return {name: getattr(self, name) for name in saga.DOWNSTREAMS}


class Express(Settings, frozen=True):
    """Orders may go by the express path: inventory's delivery also has them shipped and posted.

    In a stage that runs a release without it, deploy this one first and add the table then.
    """

    #: From the begin of an order's delivery to the last answer that is waited for; half of it is
    #: for one call. What has not answered by then goes by its own queue, so choose twice what
    #: fulfilment or accounting takes, the slower one (p99).
    seconds: Annotated[float, Meta(ge=0.2, le=20)]


class Network(Settings, frozen=True):
    """Subnets that the three deliveries run in, to reach downstreams that are not on the public
    internet, or from one fixed address. The other functions call nothing but AWS and stay out.

    At list price this is several times all else that idles (docs/cost.md).
    """

    #: One in each zone.
    subnet_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...],
        Meta(min_length=1, max_length=16),
    ]
    #: What downstreams admit. They must let 443 out.
    security_group_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^sg-[0-9a-f]{8,17}$")], ...],
        Meta(min_length=1, max_length=5),
    ]
    #: How a delivery reaches DynamoDB, SQS and Parameter Store from there: by endpoints that are
    #: made here, by your NAT gateway (its Elastic IP is the fixed address; without one in each
    #: zone, a zone that fails takes them all), or by endpoints that the VPC has.
    aws_by: Literal["endpoints", "nat", "existing"]
    #: Where endpoints are made: the VPC, and the subnets' route tables.
    vpc_id: Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")] | None = None
    route_table_ids: tuple[Annotated[str, Meta(pattern=r"^rtb-[0-9a-f]{8,17}$")], ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.subnet_ids)) < len(self.subnet_ids):
            raise ValueError("subnet_ids must name each subnet once")
        made = self.aws_by == "endpoints"
        if (self.vpc_id is not None) != made or bool(self.route_table_ids) != made:
            raise ValueError(
                'vpc_id and route_table_ids go with aws_by = "endpoints", and only with it'
            )


TableClass = Literal["standard", "infrequent_access"]


class Keeping(Settings, frozen=True):
    """How orders are kept once they have settled. What each way costs is in docs/cost.md."""

    #: DynamoDB's class of the orders table: "infrequent_access" has storage for less than half, and
    #: writes and reads a quarter dearer. Left out, it is what AWS makes of a new table, "standard",
    #: and stays what it is on a table that has another: write "standard" to come back.
    table_class: TableClass | None = None
    #: So many days after its last outcome a settled order leaves the table for the archive, a
    #: bucket, where customers still find it. Without it orders stay. First deploy a release that
    #: reads the archive, then set this (CHANGELOG.md says which); there is no way back before it.
    days: Annotated[int, Meta(ge=KEPT_DAYS_MIN, le=36_500)] | None = None
    #: Orders that `spillway migrate` brought leave too. Set it when the migration is over: it
    #: neither follows nor goes back with an order that has left.
    imported: bool = False

    def __post_init__(self) -> None:
        if self.imported and self.days is None:
            raise ValueError("imported goes with days, after which orders leave the table")


class Payments(Settings, frozen=True):
    """Once an hour each payment that the gateway took a day ago is held against the orders: it is
    ordered, or goes back (docs/payments.md)."""

    gateway: GatewayName
    #: How far back the first run of each day looks.
    window_days: Annotated[int, Meta(ge=WINDOW_DAYS_MIN, le=60)] = 3
    #: A run that would give back more gives nothing back, and rings. 0: it only tells.
    refunds_max: Annotated[int, Meta(ge=0, le=100_000)] = 100
    #: Without a slash at the end. For a fake of the gateway.
    url: Url = STRIPE_URL


class Logs(Settings, frozen=True):
    #: One of the lengths that CloudWatch Logs knows.
    retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365]
    #: Lambda's own lines. At INFO each invocation writes three of them, which at list price
    #: costs more than the service's own logging; WARN leaves the failures.
    system_level: Literal["DEBUG", "INFO", "WARN"]
    #: Of one order in so many the lines that tell of nothing but success are logged, of every order
    #: all others (`orders.telemetry`). A log is paid by the byte.
    good_news_one_in: OneIn = 1


class Alarms(Settings, frozen=True):
    """When the alarms ring that have a time in them; the others are in infra.alarms."""

    #: How long an acknowledged order may wait outside the table.
    buffered_seconds: Annotated[int, Meta(ge=1, le=86_400)]
    unsettled_seconds: Annotated[int, Meta(ge=1, le=86_400)]
    half_done_seconds: Annotated[int, Meta(ge=1, le=86_400)]
    #: How far relay may be behind the table.
    behind_seconds: Annotated[int, Meta(ge=1, le=3_600)]
    #: No alarm looks further back in one step. For trying things out: below 60 s AWS has no data.
    period_seconds_max: Literal[10, 30, 60, 300, 900] = 900
    #: Who is written to when an alarm rings or is over, if not only the topic.
    email: str | None = None

    def period(self, seconds: int) -> int:
        return min(seconds, self.period_seconds_max)


Shifting = Literal[
    "all_at_once",
    "canary_10_percent_5_minutes",
    "canary_10_percent_15_minutes",
    "linear_10_percent_every_1_minute",
]


class Releases(Settings, frozen=True):
    #: How intake and the deliveries come to run a new version: a part of the orders first, with a
    #: way back on an alarm (AWS CodeDeploy), or all at once.
    shifting: Shifting


class Recreated(Settings, frozen=True):
    """How often a stack was destroyed and deployed again while others stayed.

    Raised then, it makes the others look up again what they refer to: see
    `infra.constructs.reference`.
    """

    data: Annotated[int, Meta(ge=0)] = 0
    identity: Annotated[int, Meta(ge=0)] = 0
    service: Annotated[int, Meta(ge=0)] = 0


class Stage(Settings, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    #: What the functions run on: the emulator's host ("local") or Lambda ("aws"); see infra.bundle.
    bundle: Literal["local", "aws"]
    #: Deploys tables for the fakes of the three downstreams (see simulation/).
    fakes: bool
    api: Api
    identity: CognitoPool | OidcIssuer
    web: Web
    orders: Orders
    watchdog: Watchdog
    relay: Relay
    functions: Functions
    downstreams: Downstreams
    logs: Logs
    alarms: Alarms
    releases: Releases
    events: Events = EVERY_EVENT
    keeping: Keeping = Keeping()
    #: Without it each command goes by its own queue.
    express: Express | None = None
    #: Without it nobody holds payments against the orders, but `spillway payments reconcile`.
    payments: Payments | None = None
    recreated: Recreated = Recreated()
    #: Without it no function runs in a VPC.
    network: Network | None = None
    #: Has Lambda record runs for X-Ray: one a second and 5% of the others, for each function, which
    #: nothing can lower (decision 0014). For a while, to find something out.
    xray: bool = False

    def __post_init__(self) -> None:
        for name, downstream in self.downstreams.by_name().items():
            # A batch message's commands take turns, for as long as one answer may take at least.
            least = downstream.timeout_seconds
            short = least - self.turns_seconds(name)
            if short > 0:
                raise ValueError(
                    f"deliver must have {self.functions.deliver.timeout_seconds + short} s, for a"
                    f" turn at {name} may begin after {least} s and take"
                    f" {downstream.outcome_seconds_max} s"
                )
            self._check_way(name, downstream)
            self._check_description(name, downstream)
        if self.deliveries_max["inventory"] < DELIVERIES_MIN:
            least = DELIVERIES_MIN + math.ceil(DELIVERIES_MIN * EXPRESS_SHARE)
            raise ValueError(
                f"fulfilment and accounting must have a concurrency_max of {least} or more, because"
                " with [express] inventory's deliveries call them besides their own; leave"
                " [express] out where one bears less"
            )
        if self.express is not None and not self.express_calls:
            raise ValueError(
                "[express] needs idempotency keys at fulfilment or accounting: a call that is not"
                " waited for would have to be looked up while it may still be under way; leave"
                " [express] out"
            )
        self._check_sampling()
        needed = self._intake_seconds_max
        if self.functions.intake.timeout_seconds < needed and not self.on_emulator:
            raise ValueError(
                f"intake must have {needed} s, for that is what an order may wait for while AWS is"
                f" slow and the table has {self.orders.table_timeout_seconds} s"
            )

    def _check_description(self, name: saga.Downstream, downstream: Downstream) -> None:
        description = self.description_of(name)
        if description.by != downstream.by:
            ways = {"https": "web", "lambda": "function's", "queue": "queue's"}
            raise ValueError(
                f"{name} has a {ways[downstream.by]} address, and its description says"
                f' by = "{description.by}"'
            )
        by_queue = description.outcomes is not None and description.outcomes.by == "queue"
        if (downstream.outcomes_from is not None) != by_queue:
            raise ValueError(
                f"{name}.outcomes_from says who may send outcomes on a queue: it goes with a"
                ' description whose [outcomes] are by = "queue", and only with that'
            )
        if downstream.idempotency == "lookup":
            for step, request in description.requests.items():
                if request.lookup is None:
                    raise ValueError(
                        f'{name} has idempotency = "lookup", and its description does not say how'
                        f" {step} is looked up"
                    )
        if self.express is not None and name == "inventory" and description.later(Step.RESERVE):
            raise ValueError(
                "[express] goes on from a reservation, and inventory's outcome may come later:"
                " leave it out"
            )

    def _check_sampling(self) -> None:
        """Whether what is worked out from log lines stays right while good news is sampled."""
        if self.logs.good_news_one_in == 1:
            return
        if self.on_emulator:
            raise ValueError(
                "good_news_one_in must be 1 on the emulator, whose alarms and charts are worked out"
                " from all lines"
            )
        within = GOOD_NEWS_WITHIN_MS // 1000
        for setting, seconds in (
            ("watchdog.delay_seconds", self.watchdog.delay_seconds),
            ("alarms.unsettled_seconds", self.alarms.unsettled_seconds),
            ("alarms.half_done_seconds", self.alarms.half_done_seconds),
        ):
            if seconds < within:
                raise ValueError(
                    f"good_news_one_in above 1 goes with {setting} of {within} or more, because an"
                    " order that settles sooner may leave no line"
                )

    def _check_way(self, name: str, downstream: Downstream) -> None:
        """Whether the deliveries can reach what a signed request is for."""
        service = downstream.signing and downstream.signing[0]
        if service == "vpc-lattice-svcs" and self.network is None:
            raise ValueError(
                f"{name} is a VPC Lattice service: only a stage with [network] has a way"
            )
        if downstream.by != "https":
            return
        by_endpoints = self.network is not None and self.network.aws_by == "endpoints"
        # "You can access your function URL through the public Internet only":
        # https://docs.aws.amazon.com/lambda/latest/dg/lambda-urls.html
        if service == "lambda" and by_endpoints:
            raise ValueError(
                f"{name} is a function's URL, which no endpoint leads to: it needs"
                ' network.aws_by = "nat"'
            )

    def turns_seconds(self, name: saga.Downstream) -> int:
        """How long after the start of a batch one of its deliveries may still be begun: what it may
        take is then left of the function's time."""
        overhead = LOCAL_OVERHEAD_SECONDS if self.on_emulator else DELIVER_OVERHEAD_SECONDS
        takes = self.downstreams.by_name()[name].outcome_seconds_max + overhead
        if self.express is not None and name == "inventory":
            takes += math.ceil(self.express.seconds / 2)
        return self.functions.deliver.timeout_seconds - takes

    @property
    def finish_seconds(self) -> float:
        """How long after the start of a batch what is not done of its batch messages may still be
        requeued: a call later the function must have answered, or all messages come back."""
        last = self.functions.deliver.timeout_seconds - 2 * DELIVER_CALL_SECONDS
        return max(last, BATCH_MS / 1000)

    @property
    def express_calls(self) -> tuple[saga.Downstream, ...]:
        """The downstreams that inventory's deliveries call too."""
        if self.express is None:
            return ()
        by_name = self.downstreams.by_name()
        return tuple(
            DOWNSTREAM_OF[step]
            for step in ONCE_RESERVED
            if by_name[DOWNSTREAM_OF[step]].idempotency == "keys"
            and not self.description_of(DOWNSTREAM_OF[step]).later(step)
        )

    def description_of(self, name: saga.Downstream) -> Description:
        """How a downstream is spoken to. Raises ValueError."""
        try:
            return described(self.descriptions[name], name)
        except DescriptionError as error:
            raise ValueError(str(error)) from None

    @property
    def descriptions(self) -> dict[saga.Downstream, str]:
        """The names of the downstreams' descriptions."""
        by_name = self.downstreams.by_name()
        return {name: one.description or name for name, one in by_name.items()}

    def called_by(self, name: saga.Downstream) -> tuple[saga.Downstream, ...]:
        """The downstreams that this one's deliveries call."""
        return (name, *self.express_calls) if name == "inventory" else (name,)

    @property
    def deliveries_max(self) -> dict[saga.Downstream, int]:
        """How many of each downstream's own deliveries run at once.

        A downstream on the express path is called by inventory's deliveries too, each of which
        makes `EXPRESS_SHARE` of the calls there that one of its own makes. Both together must not
        be more than it bears: what inventory's leave is for its own, which are not none.
        """
        bears = {name: one.concurrency_max for name, one in self.downstreams.by_name().items()}
        shared = ((bears[name] - DELIVERIES_MIN) / EXPRESS_SHARE for name in self.express_calls)
        inventory = math.floor(min([bears["inventory"], *shared]))
        taken = math.ceil(inventory * EXPRESS_SHARE)
        rest = {name: bears[name] - taken for name in self.express_calls}
        return {**bears, "inventory": inventory, **rest}

    @property
    def interface_endpoints(self) -> tuple[str, ...]:
        """The AWS services that deliveries call through interface endpoints made here. DynamoDB
        has a gateway endpoint, which is free; Lambda itself polls and ships logs, from outside."""
        if self.network is None or self.network.aws_by != "endpoints":
            return ()
        secrets = any(self.secret_parameters(name) for name in saga.DOWNSTREAMS)
        by_name = self.downstreams.by_name()
        functions = any(one.by == "lambda" for one in by_name.values())
        return (
            "sqs",
            *(("ssm",) if secrets else ()),
            *(("lambda",) if functions else ()),
        )

    @property
    def _intake_seconds_max(self) -> int:
        """How long an order with a limited coupon waits at most: for two parameters, the list of
        price books and a book, its claim, and if that is refused for what is there and for the
        count of tried coupons."""
        calls = 2 + 1 + 2 + 1
        waits = 2 * PARAMETER_SECONDS + CLAIM_MS / 1000
        return math.ceil(waits + calls * self.orders.table_timeout_seconds)

    @property
    def on_emulator(self) -> bool:
        """Some of what AWS offers for looking at a service, the emulator does not have."""
        return self.bundle == "local"

    def check_addresses(self) -> None:
        """Raises StageError while an address is still an example, for orders would be sent to it or
        it is somebody else's, or is not reached by TLS."""
        if self.fakes:
            return
        addresses: dict[str, str] = {}
        for name, downstream in self.downstreams.by_name().items():
            addresses[f"downstreams.{name}.url"] = downstream.url
            if downstream.token_url is not None and not downstream.token_url.startswith("/"):
                addresses[f"downstreams.{name}.token_url"] = downstream.token_url
        if self.web.url is not None:
            addresses["web.url"] = self.web.url
        if isinstance(self.identity, OidcIssuer):
            addresses["identity.issuer"] = self.identity.issuer
        for setting, address in addresses.items():
            if (urlsplit(address).hostname or "").endswith(EXAMPLE_DOMAINS):
                raise StageError(
                    f"{self.name}.toml: {setting} is still {address}: put your own there."
                )
            if not address.startswith(("https://", "arn:")):
                raise StageError(f"{self.name}.toml: {setting} is {address}: it must be https.")
        self._check_sign_in_page()

    def _check_sign_in_page(self) -> None:
        if isinstance(self.identity, OidcIssuer):
            return
        prefix = self.identity.domain_prefix
        if prefix.startswith(EXAMPLE_PREFIX):
            raise StageError(
                f"{self.name}.toml: identity.domain_prefix is still {prefix}: put your own there."
            )

    def resource_name(self, name: str) -> str:
        """What a resource is called in the account."""
        return f"spillway-{self.name}-{name}"

    @property
    def api_scopes(self) -> tuple[str, ...]:
        """The API takes tokens that have one of these."""
        if isinstance(self.identity, OidcIssuer):
            return self.identity.api_scopes
        # The only scope of a token from a sign-in by password.
        by_password = ("aws.cognito.signin.user.admin",)
        return ("openid", *(by_password if self.identity.admin_password_sign_in else ()))

    @property
    def receipt_keys_parameter(self) -> str:
        """In Parameter Store: what the payment gateway signs receipts with."""
        return f"/spillway/{self.name}/receipt-keys"

    @property
    def price_keys_parameter(self) -> str | None:
        """What the store's pricing engine signs prices with; None where no signature is taken."""
        signed = takes_signatures(self.orders.prices)
        return f"/spillway/{self.name}/price-keys" if signed else None

    @property
    def coupon_keys_parameter(self) -> str:
        """The keys that make single-use codes."""
        return f"/spillway/{self.name}/coupon-keys"

    @property
    def gateway_key_parameter(self) -> str:
        """What the payments function asks the gateway with."""
        return f"/spillway/{self.name}/{GATEWAY_KEY}"

    def secret_parameters(self, downstream: saga.Downstream) -> dict[str, str]:
        """What a delivery reads to call this downstream, by what it is: `api-key`, `client-secret`
        (OAuth's), `client-certificate`, `server-ca`."""
        settings = self.downstreams.by_name()[downstream]
        needed = {
            "api-key": settings.auth == "api_key",
            "client-secret": settings.auth == "oauth",
            "client-certificate": settings.client_certificate,
            "server-ca": settings.server_ca,
        }
        return {
            kind: self.secret_parameter(downstream, kind)
            for kind, is_needed in needed.items()
            if is_needed
        }

    def secret_parameter(self, downstream: str, kind: str) -> str:
        return f"/spillway/{self.name}/{downstream}/{kind}"

    @property
    def tellers(self) -> dict[saga.Downstream, Outcomes]:
        """The downstreams that tell what they decide later, and how."""
        each = {name: self.description_of(name).outcomes for name in saga.DOWNSTREAMS}
        return {name: outcomes for name, outcomes in each.items() if outcomes is not None}

    def outcome_keys_parameter(self, downstream: str) -> str:
        """What a downstream's callbacks are signed with."""
        return f"/spillway/{self.name}/{downstream}/outcome-keys"


def load(name: str, stages: Path = STAGES, *, downstreams: str | None = None) -> Stage:
    """The settings of the stage called `name`. Raises StageError.

    `downstreams` names a file beside the stages' own, in the folder `downstreams`: its tables stand
    in place of the stage's `downstreams` and `express`.
    """
    path = stages / f"{name}.toml"
    settings = _read(path, "stage")
    if downstreams is not None:
        path = stages / "downstreams" / f"{downstreams}.toml"
        own = {key: value for key, value in settings.items() if key not in _OF_DOWNSTREAMS}
        settings = own | _read(path, "file of downstreams")
    try:
        return msgspec.convert({**settings, "name": name}, Stage)
    except msgspec.ValidationError as error:
        raise StageError(f"{path.name}: {error}.") from None


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml")))
        raise StageError(f"There is no {what} {path.stem!r}; there are: {known}.") from None
    except tomllib.TOMLDecodeError as error:
        raise StageError(f"{path.name} is not TOML: {error}.") from None

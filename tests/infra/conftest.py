"""The stages' templates, synthesised once for all tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra.stage import (
    STAGES,
    Approvals,
    CustomerClaim,
    Keeping,
    Network,
    OidcIssuer,
    Payments,
    Recreated,
    Stage,
    load,
)
from orders.domain.saga import Downstream
from orders.downstream.description import Description, described
from tests.infra.templates import Reviewed, Templates


@pytest.fixture(scope="session")
def every_stage(cdk_library: None, tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    """All stages, and three that are unlike them, with what cdk-nag says of them."""
    from tests.infra.synthesis import reviewed

    stages = [load(path.stem) for path in sorted(STAGES.glob("*.toml"))]
    others = unlike(), private(), invoking()
    return reviewed(*stages, *others, directory=tmp_path_factory.mktemp("stages"))


@pytest.fixture(scope="session")
def local(every_stage: Reviewed) -> Templates:
    return every_stage.stages["local"]


@pytest.fixture(scope="session")
def dev(every_stage: Reviewed) -> Templates:
    return every_stage.stages["dev"]


@pytest.fixture(scope="session")
def prod(every_stage: Reviewed) -> Templates:
    return every_stage.stages["prod"]


@pytest.fixture(scope="session")
def unusual(every_stage: Reviewed) -> Templates:
    return every_stage.stages["unusual"]


@pytest.fixture(scope="session")
def in_vpc(every_stage: Reviewed) -> Templates:
    return every_stage.stages["private"]


@pytest.fixture(scope="session")
def to_function(every_stage: Reviewed) -> Templates:
    return every_stage.stages["invoking"]


class Invoking(Stage, frozen=True):
    """Its accounting is described in a file of the tests."""

    def description_of(self, name: Downstream) -> Description:
        if name == "accounting":
            return described("function", name, Path(__file__).parent / "descriptions")
        return super().description_of(name)


def invoking() -> Stage:
    """A stage that invokes its accounting, a Lambda function."""
    dev = load("dev")
    function = "arn:aws:lambda:eu-west-1:111122223333:function:post:live"
    accounting = msgspec.structs.replace(dev.downstreams.accounting, url=function, auth="sigv4")
    downstreams = msgspec.structs.replace(dev.downstreams, accounting=accounting)
    changed = {"name": "invoking", "downstreams": downstreams}
    return Invoking(**{name: getattr(dev, name) for name in dev.__struct_fields__} | changed)


def private() -> Stage:
    """A stage whose deliveries run in a VPC without a way to the internet, for companies."""
    replace = msgspec.structs.replace
    dev = load("dev")
    lattice = "arn:aws:vpc-lattice:eu-west-1:111122223333:service/svc-0123456789abcdef0/*"
    return replace(
        dev,
        name="private",
        orders=replace(
            dev.orders,
            prices="signed",
            customer_claim=CustomerClaim(wholesale="company_id"),
            purchase_orders_unique=True,
            approvals=Approvals(limit_claim="order_limit", group="approvers", days=7),
        ),
        network=Network(
            subnet_ids=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
            security_group_ids=("sg-0123456789abcdef0",),
            aws_by="endpoints",
            vpc_id="vpc-0123456789abcdef0",
            route_table_ids=("rtb-0123456789abcdef0",),
        ),
        downstreams=replace(
            dev.downstreams,
            inventory=replace(dev.downstreams.inventory, auth="sigv4", invoke_arn=lattice),
            fulfilment=replace(
                dev.downstreams.fulfilment,
                description="warehouse",
                url="https://sqs.eu-west-1.amazonaws.com/111122223333/ship.fifo",
                auth="sigv4",
                outcomes_from="arn:aws:iam::444455556666:role/warehouse",
            ),
            accounting=replace(
                dev.downstreams.accounting,
                auth="oauth",
                token_url="https://login.example.com/token",
                client_id="spillway",
                scope="postings.write",
                server_ca=True,
            ),
        ),
    )


def unlike() -> Stage:
    """A stage with all that the ones in the repository do without, but for a network."""
    replace = msgspec.structs.replace
    dev = load("dev")
    downstreams = dev.downstreams
    signed = "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/POST/*"
    function = "arn:aws:lambda:us-east-2:111122223333:function:post"
    return replace(
        dev,
        name="unusual",
        api=replace(dev.api, allowed_origins=("https://app.example.com",)),
        identity=OidcIssuer(
            issuer="https://login.example.com/a/b/", audience=("orders",), client_id="storefront"
        ),
        web=replace(
            dev.web,
            url="https://store.example.com",
            certificate_arn="arn:aws:acm:us-east-1:111122223333:certificate/1",
            connect_sources=("https://pay.example.com", "https://risk.example.com"),
        ),
        downstreams=replace(
            downstreams,
            inventory=replace(downstreams.inventory, auth="sigv4", invoke_arn=signed),
            fulfilment=replace(
                downstreams.fulfilment, idempotency="lookup", auth="none", client_certificate=True
            ),
            # It calls back.
            accounting=replace(
                downstreams.accounting,
                auth="sigv4",
                invoke_arn=function,
                description="accounting-later",
            ),
        ),
        express=None,
        keeping=Keeping(table_class="infrequent_access", days=90, imported=True),
        payments=Payments(gateway="stripe", refunds_max=20),
        recreated=Recreated(service=1),
        xray=True,
    )

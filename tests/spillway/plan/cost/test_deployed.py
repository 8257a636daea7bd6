"""What a stage deploys, and the figures elsewhere that must agree with it."""

from __future__ import annotations

from typing import Literal

import pytest
from msgspec.structs import replace

from infra.event_sources import WATCHDOG_CONCURRENCY_MAX
from infra.stage import Network, Stage
from infra.stage import load as load_stage
from spillway.errors import SpillwayError
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.deployed import Deployed, deployed, deployed_by
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.model import MILLION, cost_model, on_stage, queued
from spillway.plan.cost.report import measured
from spillway.plan.cost.usage import idle
from spillway.plan.price_list import load, priced


@pytest.fixture(scope="module")
def dev() -> Deployed:
    return deployed("dev")


def test_a_crowds_batches_are_as_large_as_deployed(dev: Deployed) -> None:
    assert dev.sources["deliver-inventory"].batch_size == CROWD.deliver
    assert dev.sources["watchdog"].batch_size == CROWD.watchdog
    assert dev.sources["watchdog"].concurrency_max == WATCHDOG_CONCURRENCY_MAX


def test_every_queue_with_a_function_is_polled_also_when_idle(dev: Deployed) -> None:
    assert len(dev.sources) == 5
    # Lambda goes down to two pollers only where there is no maximum concurrency.
    assert all(source.concurrency_max for source in dev.sources.values())
    # Five pollers a queue, three times a minute, for thirty days.
    assert idle(dev).units("sqs.requests") == 5 * 5 * 3 * 60 * 24 * 30


def test_an_idle_month_is_within_what_was_promised(dev: Deployed) -> None:
    assert priced(idle(dev), load(), free_tiers=True).dollars <= 2.00


def test_a_stage_without_a_network_pays_for_none(dev: Deployed) -> None:
    assert (dev.interface_endpoints, dev.nat_gateways) == (0, 0)
    assert not [use for use in idle(dev) if use.price.startswith("vpc.")]


def test_deliveries_in_a_vpc_pay_for_each_endpoint_in_each_zone() -> None:
    """Two services, two zones, thirty days at a cent an hour."""
    private = priced(idle(deployed_by(with_network("endpoints"))), load())
    quiet = priced(idle(deployed("dev")), load())
    assert private.dollars - quiet.dollars == pytest.approx(2 * 2 * 720 * 0.01)


def test_a_nat_gateway_is_paid_for_in_each_zone_with_its_address() -> None:
    private = priced(idle(deployed_by(with_network("nat"))), load())
    quiet = priced(idle(deployed("dev")), load())
    assert private.dollars - quiet.dollars == pytest.approx(2 * 720 * (0.045 + 0.005))


def test_endpoints_that_a_vpc_has_cost_nothing_more() -> None:
    assert idle(deployed_by(with_network("existing"))) == idle(deployed("dev"))


def with_network(aws_by: Literal["endpoints", "nat", "existing"]) -> Stage:
    made = aws_by == "endpoints"
    network = Network(
        subnet_ids=("subnet-0123abcd", "subnet-4567abcd"),
        security_group_ids=("sg-0123abcd",),
        aws_by=aws_by,
        vpc_id="vpc-0123abcd" if made else None,
        route_table_ids=("rtb-0123abcd",) if made else (),
    )
    return replace(load_stage("dev"), network=network)


def test_an_unknown_stage_is_said_in_a_sentence() -> None:
    with pytest.raises(SpillwayError, match="There is no stage 'moon'"):
        deployed("moon")


def test_orders_of_a_stage_without_express_are_priced_by_their_queues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages = {"dev": load_stage("dev"), "plain": replace(load_stage("dev"), express=None)}
    monkeypatch.setattr("spillway.plan.cost.deployed.load", stages.__getitem__)
    plain, express = cost_model(stage="plain"), cost_model(stage="dev")

    assert plain.an_order(CROWD) == queued(express).an_order(CROWD)
    assert plain.an_order(CROWD) != express.an_order(CROWD)
    # What dev and prod cost is said beside it, by their own way.
    assert on_stage(plain, "dev").an_order(CROWD) == express.an_order(CROWD)
    assert on_stage(express, "plain").an_order(CROWD) == plain.an_order(CROWD)


def test_where_express_reaches_one_downstream_only_orders_are_priced_by_their_queues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dev = load_stage("dev")
    looked_up = replace(dev.downstreams.accounting, idempotency="lookup")
    stage = replace(dev, downstreams=replace(dev.downstreams, accounting=looked_up))
    monkeypatch.setattr("spillway.plan.cost.deployed.load", lambda _name: stage)
    model = cost_model()

    assert model.an_order(CROWD) == queued(model).an_order(CROWD)
    assert measured(Findings(model, MILLION)).endswith("counted as without it, and cost less.")


def test_what_is_decided_later_is_said_not_to_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    dev = load_stage("dev")
    for description in ("accounting-later", None):
        accounting = replace(dev.downstreams.accounting, description=description)
        downstreams = replace(dev.downstreams, accounting=accounting)
        stage = replace(dev, downstreams=downstreams, express=None)
        monkeypatch.setattr("spillway.plan.cost.deployed.load", lambda _name, stage=stage: stage)
        model = cost_model()
        said = "Not counted: what accounting would decide later." in measured(
            Findings(model, MILLION)
        )
        assert said == (description is not None)
        assert model.stage.decide_later == (("accounting",) if said else ())

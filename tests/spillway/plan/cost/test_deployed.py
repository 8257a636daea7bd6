"""What a stage deploys, and the figures elsewhere that must agree with it."""

from __future__ import annotations

import pytest

from infra.event_sources import WATCHDOG_CONCURRENCY_MAX
from spillway.errors import SpillwayError
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.deployed import Deployed, deployed
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


def test_an_unknown_stage_is_said_in_a_sentence() -> None:
    with pytest.raises(SpillwayError, match="There is no stage 'moon'"):
        deployed("moon")

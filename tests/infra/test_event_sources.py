"""The simulation's world reads queues and stream by the numbers that are deployed."""

from __future__ import annotations

import json

import pytest

from infra.event_sources import (
    CALLS_FOR_SOMETHING,
    INIT_SECONDS_MAX,
    RECEIVES_MAX,
    RECORD_AGE_SECONDS_MAX,
    queue_sources,
    stream_sources,
)
from infra.metrics import ARCHIVE, PAYMENTS
from simulation.world.world import deployment
from tests.infra.templates import Templates


def test_every_queue_is_deployed_with_the_numbers_of_its_source(dev: Templates) -> None:
    for name, source in queue_sources(dev.stage).items():
        queue = dev.resource("AWS::SQS::Queue", QueueName=dev.stage.resource_name(name))
        deployed = queue["Properties"]
        assert deployed["VisibilityTimeout"] == source.visibility_seconds
        assert deployed.get("DelaySeconds", 0) == source.delay_seconds
        policy = deployed["RedrivePolicy"]
        assert policy["maxReceiveCount"] == RECEIVES_MAX
        assert dev.named(policy["deadLetterTargetArn"]) == f"{deployed['QueueName']}-dead-letters"


def test_a_message_stays_hidden_while_its_batch_is_filled_and_tried_and_no_longer(
    dev: Templates,
) -> None:
    """A function that died tells nobody: its messages wait for this."""
    for name, source in queue_sources(dev.stage).items():
        queue = dev.resource("AWS::SQS::Queue", QueueName=dev.stage.resource_name(name))
        batch = dev.mapping_of(source.function).get("MaximumBatchingWindowInSeconds", 0)
        timeout = dev.functions()[source.function]["Timeout"]
        tried = batch + INIT_SECONDS_MAX + timeout
        assert queue["Properties"]["VisibilityTimeout"] == tried, name


def test_every_function_reads_its_queue_with_the_numbers_of_its_source(dev: Templates) -> None:
    for name, source in queue_sources(dev.stage).items():
        mapping = dev.mapping_of(source.function)
        assert dev.named(mapping["EventSourceArn"]) == dev.stage.resource_name(name)
        assert mapping["BatchSize"] == source.batch_size
        assert mapping.get("MaximumBatchingWindowInSeconds", 0) == source.window_seconds
        assert mapping["ScalingConfig"]["MaximumConcurrency"] == source.concurrency_max
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        function = dev.functions()[source.function]
        assert function["Timeout"] == source.function_timeout_seconds


def test_the_stream_has_no_more_readers_than_dynamodb_bears(dev: Templates) -> None:
    readers = [
        mapping
        for mapping in dev.resources("AWS::Lambda::EventSourceMapping")
        if dev.named(mapping["EventSourceArn"]).endswith("/stream")
    ]
    assert len(readers) == len(stream_sources(dev.stage)) == 2


@pytest.mark.parametrize("function", ["relay", "watchdog"])
def test_every_reader_of_the_stream_reads_it_as_the_world_does(
    dev: Templates, function: str
) -> None:
    mapping = dev.mapping_of(function, stream=True)
    source = stream_sources(dev.stage)[function]
    assert mapping["BatchSize"] == source.batch_size
    assert mapping.get("MaximumBatchingWindowInSeconds", 0) == source.window_seconds
    assert mapping["MaximumRecordAgeInSeconds"] == RECORD_AGE_SECONDS_MAX
    # Halves are retried for ever, one batch of a shard at a time; what is too old becomes a failure
    # record.
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping.get("ParallelizationFactor", 1) == source.parallelization == 1
    assert mapping.get("FunctionResponseTypes", []) == []
    dead_letters = mapping["DestinationConfig"]["OnFailure"]["Destination"]
    assert dev.named(dead_letters) == dev.stage.resource_name(f"{function}-dead-letters")


def test_the_world_gives_every_function_the_settings_that_are_deployed(
    dev: Templates, local: Templates, unusual: Templates
) -> None:
    """It has the settings of `dev`, orders leave its table, and it has payments."""
    more = {ARCHIVE: local, PAYMENTS: unusual}
    functions = {name: stage.functions()[name] for name, stage in more.items()} | dev.functions()
    for name, (settings, timeout_seconds) in deployment(frozenset(), True, False).items():
        function = functions[name]
        assert function["Timeout"] == timeout_seconds
        variables = function["Environment"]["Variables"]
        assert variables.keys() - {"AWS_SDK_UA_APP_ID"} == settings.keys(), name


def test_relay_is_not_run_for_what_calls_for_nothing_where_no_events_are_published(
    dev: Templates, local: Templates
) -> None:
    """The watch is handed everything: what it would miss may be what settles an order."""
    assert (dev.stage.events.published, len(local.stage.events.published)) == ((), 7)
    patterns = [
        json.loads(each["Pattern"])
        for each in dev.mapping_of("relay", stream=True)["FilterCriteria"]["Filters"]
    ]
    assert patterns == json.loads(json.dumps(CALLS_FOR_SOMETHING))
    # As many as a mapping may have without asking AWS for more.
    assert len(patterns) <= 5
    for mapping in (
        local.mapping_of("relay", stream=True),
        dev.mapping_of("watchdog", stream=True),
    ):
        assert "FilterCriteria" not in mapping

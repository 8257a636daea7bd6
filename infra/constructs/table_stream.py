"""The table's stream, as a function processes it."""

from __future__ import annotations

import json

from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import OrderFunction
from infra.event_sources import RECORD_AGE_SECONDS_MAX, StreamSource

RETRIES_WITHOUT_END = -1


def consume_stream(
    scope: Construct,
    id_: str,
    *,
    stream_arn: str,
    source: StreamSource,
    dead_letters: sqs.IQueue,
    function: OrderFunction,
) -> None:
    """Let a function process every change of the table. Nothing is dropped: a batch is retried in
    halves until its records are too old, and then `dead_letters` gets their place in the stream."""
    function.allow("sqs:SendMessage", on=dead_letters.queue_arn)
    function.allow(
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        on=stream_arn,
    )
    mapping = lambda_.CfnEventSourceMapping(
        scope,
        id_,
        function_name=function.alias.function_arn,
        event_source_arn=stream_arn,
        # All that the stream has: also what was written before the mapping was there.
        starting_position="TRIM_HORIZON",
        batch_size=source.batch_size,
        maximum_batching_window_in_seconds=source.window_seconds or None,
        parallelization_factor=source.parallelization,
        filter_criteria=_filter_criteria(source),
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=RETRIES_WITHOUT_END,
        maximum_record_age_in_seconds=RECORD_AGE_SECONDS_MAX,
        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                destination=dead_letters.queue_arn
            )
        ),
    )
    # Lambda tries the role's permissions on the stream when the mapping is made.
    mapping.node.add_dependency(function.role)


def _filter_criteria(
    source: StreamSource,
) -> lambda_.CfnEventSourceMapping.FilterCriteriaProperty | None:
    if not source.filters:
        return None
    return lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
        filters=[
            lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern))
            for pattern in source.filters
        ]
    )

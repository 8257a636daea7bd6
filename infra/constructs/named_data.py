"""The data stack's resources, as the other stacks name them."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.work_queue import Work
from infra.event_sources import queue_sources
from infra.function_settings import Addresses
from infra.stage import Stage
from orders.domain.saga import Downstream


class NamedData(Construct):
    """By their names, account and Region, which the template has: nothing is looked up, so nothing
    goes stale when the data stack is made again. Buckets have no such name: theirs are references
    (`infra.constructs.reference`), as the ARN of the table's stream is."""

    def __init__(
        self, scope: Construct, id_: str, *, prices_bucket: str, archive_bucket: str, stage: Stage
    ) -> None:
        super().__init__(scope, id_)
        self._stage = stage
        self.table = dynamodb.TableV2.from_table_arn(
            self, "Orders", self._arn("dynamodb", "orders", of="table")
        )
        self.coupons = dynamodb.TableV2.from_table_arn(
            self, "Coupons", self._arn("dynamodb", "coupons", of="table")
        )
        self.prices = s3.Bucket.from_bucket_name(self, "Prices", prices_bucket)
        self.archive = s3.Bucket.from_bucket_name(self, "Archive", archive_bucket)
        self.events = sns.Topic.from_topic_arn(self, "Events", self._arn("sns", "order-events"))
        #: By the queue's name, as in the data stack.
        self.queues = {
            name: Work(source, self._queue(name), self._queue(f"{name}-dead-letters"))
            for name, source in queue_sources(stage).items()
        }
        self.relay_dead_letters = self._queue("relay-dead-letters")

    def addresses(self, downstream_urls: Mapping[Downstream, str]) -> Addresses:
        return Addresses(
            orders_table=self.table.table_name,
            prices_bucket=self.prices.bucket_name,
            archive_bucket=self.archive.bucket_name,
            coupons_table=self.coupons.table_name,
            events_topic_arn=self.events.topic_arn,
            queue_urls={name: work.queue.queue_url for name, work in self.queues.items()},
            dead_letter_queue_urls={
                **{name: work.dead_letters.queue_url for name, work in self.queues.items()},
                "relay": self.relay_dead_letters.queue_url,
            },
            downstream_urls=downstream_urls,
        )

    def _queue(self, name: str) -> sqs.IQueue:
        return sqs.Queue.from_queue_arn(self, name, self._arn("sqs", name))

    def _arn(self, service: str, name: str, *, of: str | None = None) -> str:
        full_name = self._stage.resource_name(name)
        if of is None:
            return Stack.of(self).format_arn(service=service, resource=full_name)
        return Stack.of(self).format_arn(service=service, resource=of, resource_name=full_name)

"""The code that runs: the steps of the path, and the API in front of them."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.archive import Archive
from infra.constructs.deliver import Deliver
from infra.constructs.drain import Drain
from infra.constructs.endpoints import AwsEndpoints
from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.intake import Intake
from infra.constructs.known_at_start import known_at_start
from infra.constructs.named_data import NamedData
from infra.constructs.orders_api import OrdersApi
from infra.constructs.outcomes import Outcomes
from infra.constructs.payments import Payments
from infra.constructs.reads import Reads
from infra.constructs.reference import reference
from infra.constructs.relay import Relay
from infra.constructs.release import GradualReleases
from infra.constructs.watchdog import Watchdog
from infra.function_settings import function_settings
from infra.stacks.data import DataStack
from infra.stage import Downstream, Stage


class ServiceStack(Stack):
    """Has no data: it can be deleted and deployed again while orders wait in the data stack.

    For a day, then the table's stream forgets. The new API has another id, so the stage's
    `recreated.service` must be raised (docs/first-deployment.md says how).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        data: DataStack,
        issuer: str,
        audience: Sequence[str],
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_, description="Spillway: the path of an order")
        by_name = stage.downstreams.by_name()
        urls = {name: self._url(name, downstream, stage) for name, downstream in by_name.items()}
        held = NamedData(
            self,
            "Data",
            prices_bucket=data.prices_bucket,
            archive_bucket=data.archive_bucket,
            stage=stage,
        )
        deployment = Deployment(stage, code, function_settings(stage, held.addresses(urls)))
        queues = held.queues
        commands = [queues[name] for name in urls]
        if stage.network is not None and stage.network.aws_by == "endpoints":
            AwsEndpoints(self, "Endpoints", network=stage.network, stage=stage)
        intake = Intake(
            self,
            "Intake",
            table=held.table,
            overflow=queues["overflow"].queue,
            prices=held.prices,
            archive=held.archive,
            coupons=held.coupons,
            deployment=deployment,
        )
        Drain(self, "Drain", overflow=queues["overflow"], table=held.table, deployment=deployment)
        reads = Reads(self, "Reads", table=held.table, archive=held.archive, deployment=deployment)
        if stage.keeping.days is not None:
            Archive(self, "Archive", table=held.table, archive=held.archive, deployment=deployment)
        if stage.payments is not None:
            Payments(
                self,
                "Payments",
                table=held.table,
                archive=held.archive,
                overflow=queues["overflow"],
                events=held.events,
                deployment=deployment,
            )
        Relay(
            self,
            "Relay",
            table=held.table,
            stream_arn=data.stream_arn,
            coupons=held.coupons,
            queues=[work.queue for work in (*commands, queues["watchdog"])],
            events=held.events,
            dead_letters=held.relay_dead_letters,
            deployment=deployment,
        )
        Watchdog(
            self,
            "Watchdog",
            checks=queues["watchdog"],
            commands=commands,
            events=held.events,
            table=held.table,
            stream_arn=data.stream_arn,
            coupons=held.coupons,
            deployment=deployment,
        )
        deliveries = [
            Deliver(
                self,
                f"Deliver{name.capitalize()}",
                name=name,
                downstreams={each: by_name[each] for each in stage.called_by(name)},
                commands=queues[name],
                table=held.table,
                deployment=deployment,
            )
            for name in by_name
        ]
        if stage.releases.shifting != "all_at_once":
            GradualReleases(
                self,
                "Releases",
                functions=[intake.function, *(deliver.function for deliver in deliveries)],
                stage=stage,
            )
        outcomes: OrderFunction | None = None
        if stage.tellers:
            taken_in = Outcomes(
                self, "Outcomes", queues=queues, table=held.table, deployment=deployment
            )
            outcomes = taken_in.function
        orders = OrdersApi(
            self,
            "Orders",
            issuer=issuer,
            audience=audience,
            intake=intake.function,
            reads=reads.function,
            outcomes=outcomes,
            stage=stage,
        )
        #: For the other stacks.
        self.api_id = reference(
            "ApiId",
            orders.api.api_id,
            to=orders.api,
            recreated=stage.recreated.service,
        )
        CfnOutput(self, "ApiId", value=orders.api.api_id)
        CfnOutput(self, "ApiUrl", value=orders.stage.url)

    def _url(self, name: str, downstream: Downstream, stage: Stage) -> str:
        """The downstream's address: in the template, so that a new one makes a new version."""
        return known_at_start(
            self,
            f"{name.capitalize()}Url",
            downstream.url,
            stage=stage,
            description=f"The base URL of {name}, without a slash at the end",
        )

"""The code that runs: the steps of the path, and the API in front of them."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CfnOutput, CfnParameter, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.deliver import Deliver
from infra.constructs.drain import Drain
from infra.constructs.function import Deployment
from infra.constructs.intake import Intake
from infra.constructs.orders_api import OrdersApi
from infra.constructs.reads import Reads
from infra.constructs.relay import Relay
from infra.constructs.release import GradualReleases
from infra.constructs.watchdog import Watchdog
from infra.function_settings import function_settings
from infra.stacks.data import DataStack
from infra.stage import Downstream, Stage


class ServiceStack(Stack):
    """Has no data: it can be deleted and deployed again while orders wait in the data stack."""

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
        urls = {
            name: self._url(name, downstream, stage)
            for name, downstream in stage.downstreams.by_name().items()
        }
        deployment = Deployment(stage, code, function_settings(stage, data.addresses(urls)))
        queues = data.queues
        commands = [queues[name] for name in urls]
        intake = Intake(
            self,
            "Intake",
            table=data.table,
            overflow=queues["overflow"].queue,
            prices=data.prices,
            coupons=data.coupons,
            deployment=deployment,
        )
        Drain(self, "Drain", overflow=queues["overflow"], table=data.table, deployment=deployment)
        reads = Reads(self, "Reads", table=data.table, deployment=deployment)
        Relay(
            self,
            "Relay",
            table=data.table,
            coupons=data.coupons,
            queues=[work.queue for work in (*commands, queues["watchdog"])],
            events=data.events,
            dead_letters=data.relay_dead_letters,
            deployment=deployment,
        )
        Watchdog(
            self,
            "Watchdog",
            checks=queues["watchdog"],
            commands=commands,
            events=data.events,
            table=data.table,
            coupons=data.coupons,
            deployment=deployment,
        )
        deliveries = [
            Deliver(
                self,
                f"Deliver{name.capitalize()}",
                downstream=name,
                invoke_arn=downstream.invoke_arn,
                commands=queues[name],
                table=data.table,
                deployment=deployment,
            )
            for name, downstream in stage.downstreams.by_name().items()
        ]
        if stage.releases.shifting != "all_at_once":
            GradualReleases(
                self,
                "Releases",
                functions=[intake.function, *(deliver.function for deliver in deliveries)],
                stage=stage,
            )
        orders = OrdersApi(
            self,
            "Orders",
            issuer=issuer,
            audience=audience,
            intake=intake.function,
            reads=reads.function,
            stage=stage,
        )
        self.api = orders.api
        CfnOutput(self, "ApiId", value=orders.api.api_id)
        CfnOutput(self, "ApiUrl", value=orders.stage.url)

    def _url(self, name: str, downstream: Downstream, stage: Stage) -> str:
        """The downstream's address: in the template, so that a new one makes a new version.

        A fake's address is known only when it runs, so it is a parameter of the deployment.
        """
        if not stage.fakes:
            return downstream.url
        return CfnParameter(
            self,
            f"{name.capitalize()}Url",
            default=downstream.url,
            description=f"The base URL of {name}, without a slash at the end",
        ).value_as_string

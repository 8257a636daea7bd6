"""What runs: the steps of the path, and the API before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, CfnParameter, Stack

from infra.constructs.deliver import Deliver
from infra.constructs.drain import Drain
from infra.constructs.intake import Intake
from infra.constructs.orders_api import OrdersApi
from infra.constructs.reads import Reads
from infra.constructs.relay import Relay
from infra.constructs.release import GradualReleases
from infra.constructs.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from infra.stacks.data import DataStack
    from infra.stage import Downstream, Stage


class ServiceStack(Stack):
    """Holds no data: it can be deleted and deployed again while orders wait in the data stack."""

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
        intake = Intake(
            self,
            "Intake",
            table=data.table,
            overflow=data.overflow.queue,
            stage=stage,
            code=code,
        )
        Drain(self, "Drain", overflow=data.overflow, table=data.table, stage=stage, code=code)
        reads = Reads(self, "Reads", table=data.table, stage=stage, code=code)
        Relay(
            self,
            "Relay",
            table=data.table,
            queues={name: commands.queue for name, commands in data.commands.items()},
            watchdog=data.checks.queue,
            events=data.events,
            dead_letters=data.relay_dead_letters,
            stage=stage,
            code=code,
        )
        Watchdog(
            self,
            "Watchdog",
            checks=data.checks,
            commands=data.commands,
            events=data.events,
            table=data.table,
            stage=stage,
            code=code,
        )
        deliveries = [
            Deliver(
                self,
                f"Deliver{name.capitalize()}",
                downstream=name,
                settings=settings,
                url=self._url(name, settings, stage),
                commands=data.commands[name],
                table=data.table,
                stage=stage,
                code=code,
            )
            for name, settings in stage.downstreams.by_name().items()
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

    def _url(self, name: str, settings: Downstream, stage: Stage) -> str:
        """The downstream's address: in the template, so that a new one makes a new version.

        The stand-ins' is known only when they run, and is a parameter of the deployment.
        """
        if not stage.stand_ins:
            return settings.url
        return CfnParameter(
            self,
            f"{name.capitalize()}Url",
            default=settings.url,
            description=f"The base URL of {name}, without a slash at the end",
        ).value_as_string

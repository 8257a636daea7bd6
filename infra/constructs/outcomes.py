"""outcomes: takes in what downstreams have decided since they took a command."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.work_queue import Work, consume


class Outcomes(Construct):
    """Behind a route of its own, and on a queue for each downstream that tells: the downstream's
    own, or where it calls back the way back from the dead letters."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        queues: Mapping[str, Work],
        table: dynamodb.ITableV2,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        self.function = outcomes = OrderFunction(
            self, "Outcomes", name="outcomes", deployment=deployment
        )
        outcomes.allow(
            "dynamodb:Query",
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
            # A message that comes months late must not write to an order that was archived.
            "dynamodb:ConditionCheckItem",
            on=table.table_arn,
        )
        stage = deployment.stage
        for name, told_by in stage.tellers.items():
            if told_by.by == "callback":
                outcomes.allow_parameter(stage.outcome_keys_parameter(name))
            work = queues[f"outcomes-{name}"]
            consume(self, name.capitalize(), work=work, function=outcomes)

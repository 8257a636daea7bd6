"""The storefront and the API on one origin."""

from __future__ import annotations

import json

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.constructs.known_at_start import known_at_start
from infra.constructs.storefront import Storefront
from infra.stacks.identity import Issuer
from infra.stage import Stage
from orders.domain.caller import PERSON


class WebStack(Stack):
    """Has nothing that can't be published again."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        api_id: str,
        issuer: Issuer,
        stage: Stage,
    ) -> None:
        super().__init__(scope, id_, description="Spillway: the storefront")
        others = known_at_start(
            self,
            "ConnectSources",
            " ".join(stage.web.connect_sources),
            stage=stage,
            description="Further origins that the storefront's script connects to, by spaces",
        )
        storefront = Storefront(
            self,
            "Storefront",
            api_host=f"{api_id}.execute-api.{self.region}.{self.url_suffix}",
            connect_sources=(*issuer.sources, others) if others else issuer.sources,
            stage=stage,
        )
        CfnOutput(self, "SiteBucketName", value=storefront.bucket.bucket_name)
        CfnOutput(
            self, "DistributionDomainName", value=storefront.distribution.distribution_domain_name
        )
        CfnOutput(self, "StoreAddress", value=self._address(storefront, stage))
        # For web/storefront/sign-in.js.
        settings = {
            "issuer": issuer.url,
            "client_id": issuer.client_id,
            "scope": issuer.scope,
            "sign_out": issuer.sign_out,
            "groups_claim": stage.orders.groups_claim,
            "wholesale_group": stage.orders.wholesale_group,
            **_approvals(stage),
        }
        CfnOutput(self, "StorefrontSettings", value=json.dumps(settings))

    def _address(self, storefront: Storefront, stage: Stage) -> str:
        if stage.web.certificate_arn is not None and stage.web.url is not None:
            return stage.web.url
        return f"https://{storefront.distribution.distribution_domain_name}"


def _approvals(stage: Stage) -> dict[str, object]:
    """What says of an ID token whether an order of its buyer will be held, and whether they decide
    about others'. A customer is a company on the channels in `companies`, if its claim is not the
    person."""
    approvals, claims = stage.orders.approvals, stage.orders.customer_claim
    if approvals is None:
        return {}
    by_channel = {"retail": claims.retail, "wholesale": claims.wholesale}
    return {
        "approvals": {
            "limit_claim": approvals.limit_claim,
            "group": approvals.group,
            "companies": {name: claim for name, claim in by_channel.items() if claim != PERSON},
        }
    }

"""Who the customers are, where no other issuer of tokens is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra.constructs.known_at_start import known_at_start
from infra.constructs.reference import reference
from infra.constructs.review import accept_finding
from infra.stage import CognitoPool, Stage


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuer and audience of the tokens that the API takes, and how the storefront gets them.

    `sources` are the origins that the storefront's script signs in at.
    """

    url: str
    audience: tuple[str, ...]
    client_id: str
    scope: str
    sign_out: Literal["oidc", "cognito"]
    sources: tuple[str, ...]


class IdentityStack(Stack):
    """A Cognito pool. Its customers' ids are the orders' partition keys: it is kept as they are."""

    def __init__(self, scope: Construct, id_: str, *, settings: CognitoPool, stage: Stage) -> None:
        super().__init__(
            scope,
            id_,
            description="Spillway: the customers' sign-in",
            termination_protection=True,
        )
        self.pool = cognito.UserPool(
            self,
            "Customers",
            user_pool_name=stage.resource_name("customers"),
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            self_sign_up_enabled=settings.self_sign_up,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
            ),
            feature_plan=cognito.FeaturePlan.LITE,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        accept_finding(
            self.pool,
            "AwsSolutions-COG2",
            reason="Behind a shopper's sign-in are their own orders and nothing else: no card (the"
            " gateway has it), no other account. Staff do not sign in here.",
        )
        accept_finding(
            self.pool,
            "AwsSolutions-COG8",
            reason="The plus plan is 0.02 dollars a user and month with no free tier, many times"
            " the price of all the rest. A store that wants its checks names its own issuer.",
        )
        self.pool.add_group(
            "Wholesale",
            group_name=stage.orders.wholesale_group,
            description="May place wholesale orders",
        )
        if stage.orders.approvals is not None:
            self.pool.add_group(
                "Approvers",
                group_name=stage.orders.approvals.group,
                description="Decide about the orders of their company that are held",
            )
        self.domain = self.pool.add_domain(
            "SignIn",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=settings.domain_prefix),
        )
        self.client = self.pool.add_client(
            "Storefront",
            user_pool_client_name=stage.resource_name("storefront"),
            generate_secret=False,
            # Before the store's address is known there is no page for a sign-in to come back to.
            disable_o_auth=stage.web.url is None,
            o_auth=None if stage.web.url is None else self._back_to(stage.web.url, stage),
            # The storefront keeps it while its tab is open, and no one shops for a day.
            refresh_token_validity=Duration.days(1),
            enable_token_revocation=True,
            auth_flows=cognito.AuthFlow(admin_user_password=settings.admin_password_sign_in),
            prevent_user_existence_errors=True,
        )
        self.issuer = self._issuer(settings, stage)
        CfnOutput(self, "UserPoolId", value=self.pool.user_pool_id)
        CfnOutput(self, "UserPoolClientId", value=self.client.user_pool_client_id)

    def _back_to(self, url: str, stage: Stage) -> cognito.OAuthSettings:
        """The code grant alone, with PKCE because there is no secret: no token is ever in a URL."""
        store_url = known_at_start(
            self,
            "StoreUrl",
            url,
            stage=stage,
            description="The storefront's address, without a slash at the end",
        )
        return cognito.OAuthSettings(
            flows=cognito.OAuthFlows(authorization_code_grant=True),
            scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
            callback_urls=[f"{store_url}/signed-in"],
            logout_urls=[f"{store_url}/"],
        )

    def _issuer(self, settings: CognitoPool, stage: Stage) -> Issuer:
        pool_id = reference(
            "UserPoolId",
            self.pool.user_pool_id,
            to=self.pool,
            recreated=stage.recreated.identity,
        )
        client_id = reference(
            "UserPoolClientId",
            self.client.user_pool_client_id,
            to=self.client,
            recreated=stage.recreated.identity,
        )
        cognito_url = f"https://cognito-idp.{self.region}.{self.url_suffix}"
        return Issuer(
            # The pool's own ProviderURL, which the emulator doesn't let other stacks read.
            url=f"{cognito_url}/{pool_id}",
            audience=(client_id,),
            client_id=client_id,
            scope="openid email",
            # Its sign-out page takes other parameters than OpenID Connect's.
            sign_out="cognito",
            # Discovery is at the issuer, the tokens at the sign-in page's domain.
            sources=(
                cognito_url,
                f"https://{settings.domain_prefix}.auth.{self.region}.amazoncognito.com",
            ),
        )

"""The CDK app: all stacks of one stage. `cdk deploy -c stage=local --all`.

With `-c downstreams=examples` the stage's downstreams are those of
infra/stages/downstreams/examples.toml.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from aws_cdk import App, Stack
from aws_cdk import aws_lambda as lambda_

from infra import bundle
from infra.stacks.data import DataStack
from infra.stacks.downstreams import DownstreamsStack
from infra.stacks.identity import IdentityStack, Issuer
from infra.stacks.operations import OperationsStack
from infra.stacks.service import ServiceStack
from infra.stacks.web import WebStack
from infra.stage import OidcIssuer, Stage, StageError, load


def main() -> None:
    """Synthesise the stage named by the context `stage`, local by default."""
    app = App()
    try:
        stage = load(
            app.node.try_get_context("stage") or "local",
            downstreams=app.node.try_get_context("downstreams"),
        )
        stage.check_addresses()
        built = bundle.build(
            bundle.TARGETS[stage.bundle],
            allow_uncompiled=app.node.try_get_context("allow_uncompiled") == "true",
        )
    except (StageError, bundle.BundleError) as error:
        sys.exit(str(error))
    add_stacks(app, stage=stage, code=built.path)
    app.synth()


def add_stacks(app: App, *, stage: Stage, code: Path) -> None:
    """Add the stage's stacks. `code` is the directory that a bundle was built in."""
    data = DataStack(app, stage.resource_name("data"), stage=stage)
    needed: list[Stack] = [data]
    if isinstance(stage.identity, OidcIssuer):
        issuer = _own(stage.identity)
    else:
        name = stage.resource_name("identity")
        identity = IdentityStack(app, name, settings=stage.identity, stage=stage)
        needed.append(identity)
        issuer = identity.issuer
    service = ServiceStack(
        app,
        stage.resource_name("service"),
        data=data,
        issuer=issuer.url,
        audience=issuer.audience,
        stage=stage,
        code=lambda_.Code.from_asset(str(code)),
    )
    operations = OperationsStack(
        app, stage.resource_name("operations"), api_id=service.api_id, stage=stage
    )
    web = WebStack(
        app, stage.resource_name("web"), api_id=service.api_id, issuer=issuer, stage=stage
    )
    # The order of deployment, which the CDK can't see in our own references.
    for before, after in (
        *((stack, service) for stack in needed),
        (service, operations),
        (service, web),
    ):
        after.add_stack_dependency(before)
    if stage.fakes:
        DownstreamsStack(app, stage.resource_name("downstreams"), stage=stage)


def _own(settings: OidcIssuer) -> Issuer:
    parts = urlsplit(settings.issuer)
    return Issuer(
        url=settings.issuer,
        audience=settings.audience,
        client_id=settings.client_id,
        scope=settings.scope,
        sign_out="oidc",
        sources=(f"{parts.scheme}://{parts.netloc}",),
    )


if __name__ == "__main__":
    main()

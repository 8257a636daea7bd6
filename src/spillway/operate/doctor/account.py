"""The account that is asked, and the settings of the stage that is in it or is to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.stage import CognitoPool, OidcIssuer, Stage, StageError, load
from spillway.errors import UsageError
from spillway.target.service import Service, outputs_in, session_of, shared, stacks_of

if TYPE_CHECKING:
    import httpx

    from spillway.run.stack import Stack
    from spillway.target.options import Target

#: A certificate of CloudFront is in this Region, whichever the stage's is.
_CERTIFICATES_REGION = "us-east-1"


@dataclass(frozen=True)
class Account:
    """`stacks`: the stage's stacks as CloudFormation describes them, by their names without the
    stage; none before the first deployment. `issuer_at` is where the issuer's metadata is read;
    None while there is no issuer. `sleep` takes seconds, `now` gives Unix milliseconds."""

    stage: Stage
    service: Service
    http: httpx.Client
    stacks: Mapping[str, Mapping[str, Any]]
    downstream_urls: Mapping[str, str]
    issuer: str | None
    issuer_at: str | None
    now: Callable[[], int]
    sleep: Callable[[float], None]

    def client(self, name: str) -> Any:
        return self.service.client(name)

    @property
    def file(self) -> str:
        return f"infra/stages/{self.stage.name}.toml"

    @property
    def deploy(self) -> str:
        return f"deploy it: `make deploy STAGE={self.stage.name}`"

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_in(self.stacks.values())

    @property
    def expected_stacks(self) -> tuple[str, ...]:
        own_pool = isinstance(self.stage.identity, CognitoPool)
        fakes = ("downstreams",) if self.stage.fakes else ()
        return (
            "data",
            *(("identity",) if own_pool else ()),
            "service",
            "operations",
            "web",
            *fakes,
        )


def of_target(
    target: Target, http: httpx.Client, now: Callable[[], int], sleep: Callable[[float], None]
) -> Account:
    """SpillwayError: the stage has no settings that can be read, or its account can't be asked."""
    if target.stage is None:
        from spillway.run.stack import attach

        return of_stack(attach(target.port), http, now, sleep)
    stage = _settings(target.stage)
    service = Service(stage.name, _clients(target), {}, {})
    stacks = stacks_of(service.client("cloudformation"), stage.name)
    issuer = _issuer(stage, stacks, service)
    return Account(
        stage=stage,
        service=service,
        http=http,
        stacks=stacks,
        downstream_urls={name: one.url for name, one in stage.downstreams.by_name().items()},
        issuer=issuer,
        issuer_at=issuer,
        now=now,
        sleep=sleep,
    )


def of_stack(
    stack: Stack,
    http: httpx.Client,
    now: Callable[[], int],
    sleep: Callable[[float], None],
) -> Account:
    """The account of a stack on this machine: its emulator."""
    from spillway.target.service import of_stack as service_of

    service = service_of(stack)
    stage = _settings(service.stage, stack.fakes.overlay)
    stacks = stacks_of(service.client("cloudformation"), stage.name)
    issuer = _issuer(stage, stacks, service)
    pool = (issuer or "").rpartition("/")[2]
    return Account(
        stage=stage,
        service=service,
        http=http,
        stacks=stacks,
        downstream_urls=stack.commanded,
        issuer=issuer,
        # The emulator's pools have the names that AWS gives them, and are not there.
        issuer_at=f"{stack.emulator}/{pool}",
        now=now,
        sleep=sleep,
    )


def _settings(name: str, downstreams: str | None = None) -> Stage:
    try:
        return load(name, downstreams=downstreams)
    except StageError as error:
        raise UsageError(str(error)) from error


def _clients(target: Target) -> Callable[[str], Any]:
    session = session_of(profile=target.profile, region=target.region)
    regions = {"acm": _CERTIFICATES_REGION}
    return shared(lambda name: session.client(name, region_name=regions.get(name)))


def _issuer(stage: Stage, stacks: Mapping[str, Mapping[str, Any]], service: Service) -> str | None:
    if isinstance(stage.identity, OidcIssuer):
        return stage.identity.issuer
    pool = outputs_in(stacks.values()).get("UserPoolId")
    region = service.client("cloudformation").meta.region_name
    return None if pool is None else f"https://cognito-idp.{region}.amazonaws.com/{pool}"

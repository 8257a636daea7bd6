"""What doctor finds where the emulator can't play the part: another's server, or a quota.

Downstreams are the fakes, asked in memory. Answers of AWS are botocore's Stubber's, which refuses
what has not AWS's documented shape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import msgspec
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra.alarms import alarms
from infra.stage import Downstream, Network, OidcIssuer, Stage, load
from orders.domain.saga import DOWNSTREAMS
from simulation.downstreams import exchange
from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import MemoryLedger
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.downstreams import check_downstreams
from spillway.operate.doctor.examining import CHECKS, examine
from spillway.operate.doctor.findings import Finding, State
from spillway.operate.doctor.quotas import concurrency_needed
from spillway.target.service import Service
from tests.builders import NOW

KEY = "k" * 24
HOST = "shop.store.test"
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/c"
INVOKE = "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/POST/*"
ISSUER = "https://issuer.test/store"
Answering = Callable[[httpx.Request], httpx.Response]


#: One for all tests: it reads AWS's description of a service once.
SESSION: Any = boto3.Session(
    region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
)


def client(service: str) -> Any:
    """A client that reaches nothing: only a Stubber answers it."""
    return SESSION.client(service)


def replaced(stage: Stage, section: str, **changes: Any) -> Stage:
    changed = msgspec.structs.replace(getattr(stage, section), **changes)
    return msgspec.structs.replace(stage, **{section: changed})


def account(
    stage: Stage,
    clients: Mapping[str, Any] | None = None,
    answer: Answering | None = None,
    stacks: Mapping[str, Mapping[str, Any]] | None = None,
) -> Account:
    def no_sleep(_: float) -> None:
        raise AssertionError("it waits")

    transport = httpx.MockTransport(answer or (lambda _: httpx.Response(500)))
    issuer = stage.identity.issuer if isinstance(stage.identity, OidcIssuer) else None
    return Account(
        stage=stage,
        service=Service(stage.name, ({} if clients is None else clients).__getitem__, {}, {}),
        http=httpx.Client(transport=transport),
        stacks=stacks or {},
        downstream_urls={name: f"https://{name}.test" for name in DOWNSTREAMS},
        issuer=issuer,
        issuer_at=issuer,
        now=lambda: NOW,
        sleep=no_sleep,
    )


def states(check: str, asked: Account) -> dict[str, State]:
    return {finding.about: finding.state for finding in CHECKS[check](asked)}


def one(check: str, asked: Account) -> Finding:
    [finding] = CHECKS[check](asked)
    assert (finding.state == "ok") is (finding.next_step == "")
    return finding


# Settings and quotas.


def test_an_address_that_is_still_an_example_is_found() -> None:
    finding = one("settings", account(load("dev")))
    assert finding.state == "fault"
    assert "example.com" in finding.says


def limits(
    concurrent: int = 1_000, rate: float = 10_000, burst: int = 5_000, writes: float | None = 40_000
) -> dict[str, Any]:
    """Clients of an account with these quotas; `writes` None: none was ever applied."""
    functions, gateway, quotas = map(client, ("lambda", "apigateway", "service-quotas"))
    stubs = [Stubber(functions), Stubber(gateway), Stubber(quotas)]
    of_account = {"ConcurrentExecutions": 1_000, "UnreservedConcurrentExecutions": concurrent}
    stubs[0].add_response("get_account_settings", {"AccountLimit": of_account})
    throttle = {"throttleSettings": {"rateLimit": rate, "burstLimit": burst}}
    stubs[1].add_response("get_account", throttle)
    asked = {"ServiceCode": "dynamodb", "QuotaCode": "L-AB614373"}
    if writes is None:
        stubs[2].add_client_error("get_service_quota", "NoSuchResourceException")
        default = {"Quota": {"Value": 40_000.0}}
        stubs[2].add_response("get_aws_default_service_quota", default, asked)
    else:
        stubs[2].add_response("get_service_quota", {"Quota": {"Value": writes}}, asked)
    for stub in stubs:
        stub.activate()
    return {"lambda": functions, "apigateway": gateway, "service-quotas": quotas}


LAMBDA, RATE = "Lambda concurrent executions", "API Gateway requests a second"
BURST, WRITES = "API Gateway burst", "DynamoDB writes a second of a table"


@pytest.mark.parametrize(
    ("quotas", "found"),
    [
        ({}, {}),
        ({"writes": None}, {}),
        ({"concurrent": 10}, {LAMBDA: "fault"}),
        ({"rate": 2_500.0}, {RATE: "warning"}),
        ({"burst": 1_250}, {BURST: "warning"}),
        ({"writes": 4_000.0}, {WRITES: "warning"}),
    ],
)
def test_a_quota_below_the_settings_is_found(
    quotas: dict[str, Any], found: dict[str, State]
) -> None:
    asked = states("quotas", account(load("dev"), limits(**quotas)))
    assert asked == {**dict.fromkeys((LAMBDA, RATE, BURST, WRITES), "ok"), **found}


def test_intake_at_its_peak_every_queue_and_some_to_spare_must_fit() -> None:
    assert concurrency_needed(load("dev")) == 200 + (20 + 10 + 10) + 2 * 2 + 20


# Downstreams.


class Downstreams:
    """The three fakes, asked in memory."""

    def __init__(self, api_key: str = KEY, **settings: Any) -> None:
        self.ledgers = {name: MemoryLedger() for name in DOWNSTREAMS}
        self.requests: list[httpx.Request] = []
        self.fakes: Mapping[str, FakeDownstream] = {
            str(name): FakeDownstream(
                name,
                ledger=self.ledgers[name],
                api_key=api_key,
                now_ms=lambda: NOW,
                random=lambda: 0.5,
                fault_settings=FaultSettings(**settings),
            )
            for name in DOWNSTREAMS
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        asked = exchange.Request(
            method=request.method,
            path=request.url.path,
            headers=request.headers,
            body=request.content,
            query=request.url.params,
        )
        answer = self.fakes[request.url.host.partition(".")[0]](asked)
        assert answer is not None
        return httpx.Response(answer.status, content=answer.body, headers=answer.headers)


def keys() -> Any:
    """Parameter Store with the downstreams' API keys."""
    ssm = client("ssm")
    stub = Stubber(ssm)
    for name in DOWNSTREAMS:
        found = {"Parameter": {"Type": "SecureString", "Value": KEY}}
        asked: dict[str, Any] = {"Name": f"/spillway/dev/{name}/api-key"}
        stub.add_response("get_parameter", found, asked)
        stub.add_response("get_parameter", found, {**asked, "WithDecryption": True})
    stub.activate()
    return ssm


def downstreams(answer: Answering, **changes: Any) -> list[Finding]:
    # On the express path one that is looked up needs a second more than the stage gives it.
    stage = msgspec.structs.replace(load("dev"), express=None)
    changed: dict[str, Downstream] = {
        name: msgspec.structs.replace(one, **changes)
        for name, one in stage.downstreams.by_name().items()
    }
    stage = replaced(stage, "downstreams", **changed)
    return [*check_downstreams(account(stage, {"ssm": keys()}, answer))]


def test_sound_downstreams_are_asked_twice_with_one_key_and_do_nothing() -> None:
    fakes = Downstreams()
    assert {finding.state for finding in downstreams(fakes)} == {"ok"}
    sent = [(request.method, request.content) for request in fakes.requests]
    assert sent == [("POST", b"{}")] * 6
    for first, again in zip(fakes.requests[::2], fakes.requests[1::2], strict=True):
        assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
        key = first.headers["idempotency-key"]
        for ledger in fakes.ledgers.values():
            ledger.claim(key, "another")  # Or this raises: nobody has claimed it.


def test_downstreams_without_keys_are_only_looked_up_in() -> None:
    fakes = Downstreams()
    assert {finding.state for finding in downstreams(fakes, idempotency="lookup")} == {"ok"}
    assert {request.method for request in fakes.requests} == {"GET"}


def test_a_signed_downstream_must_turn_away_who_does_not_sign() -> None:
    signed = {"auth": "sigv4", "invoke_arn": INVOKE}
    assert {finding.state for finding in downstreams(Downstreams(), **signed)} == {"ok"}
    [open_to_all, *_] = downstreams(lambda _: httpx.Response(422), **signed)
    assert open_to_all.state == "fault"


def gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no such host", request=request)


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        (Downstreams(api_key="another"), "answers 401"),
        (Downstreams(outage=True), "answers 503"),
        (lambda _: httpx.Response(404), "answers 404"),
        (lambda _: httpx.Response(302), "answers 302"),
        (lambda _: httpx.Response(400, html="<title>No required certificate"), "400 with a page"),
        (lambda _: httpx.Response(201, json={"reference": "r"}), "answers 201"),
        (lambda _: httpx.Response(409, json={"code": "out_of_stock"}), "409 out_of_stock"),
        (gone, "does not answer"),
    ],
)
def test_a_downstream_that_would_not_take_orders_is_found(answer: Answering, fact: str) -> None:
    for finding in downstreams(answer):
        assert finding.state == "fault"
        assert fact in finding.says
        assert finding.next_step


def test_a_private_downstream_need_not_answer_this_machine() -> None:
    network = Network(("subnet-0123abcd",), ("sg-0123abcd",), "existing")
    stage = msgspec.structs.replace(load("dev"), network=network)
    found = [*check_downstreams(account(stage, {"ssm": keys()}, gone))]
    assert {finding.state for finding in found} == {"warning"}


def test_two_answers_to_one_key_are_found() -> None:
    answers = iter([422, 400] * 3)
    found = downstreams(lambda _: httpx.Response(next(answers)))
    assert all("the same key" in finding.says for finding in found)


def test_a_lookup_that_finds_what_was_never_ordered_is_found() -> None:
    [first, *_] = downstreams(lambda _: httpx.Response(200, json={}), idempotency="lookup")
    assert first.state == "fault"


# The issuer.

METADATA = {"issuer": ISSUER, "jwks_uri": "https://issuer.test/keys"}
RSA = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1"}


def issuer(metadata: Any = METADATA, keys: Any = (RSA,), status: int = 200) -> Finding:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/store/.well-known/openid-configuration":
            return httpx.Response(status, json=metadata)
        assert request.url.path == "/keys"
        return httpx.Response(200, json={"keys": keys})

    own = OidcIssuer(issuer=ISSUER, audience=("a",), client_id="c")
    stage = msgspec.structs.replace(load("dev"), identity=own)
    return one("issuer", account(stage, answer=answer))


@pytest.mark.parametrize(
    ("wrong", "fact"),
    [
        ({"status": 404}, "answers 404"),
        ({"metadata": {**METADATA, "issuer": f"{ISSUER}/"}}, "calls itself"),
        ({"metadata": {"issuer": ISSUER}}, "has no jwks_uri"),
        ({"keys": [{"kty": "EC", "use": "sig"}]}, "no RSA key"),
        ({"keys": [{**RSA, "use": "enc"}]}, "no RSA key"),
    ],
)
def test_an_issuer_whose_tokens_the_gateway_refuses_is_found(
    wrong: dict[str, Any], fact: str
) -> None:
    assert issuer().state == "ok"
    finding = issuer(**wrong)
    assert finding.state == "fault"
    assert fact in finding.says


# The certificate and the address.


def own_domain() -> Stage:
    return replaced(load("dev"), "web", url=f"https://{HOST}", certificate_arn=CERTIFICATE)


def certificate(**changes: Any) -> Finding:
    acm = client("acm")
    stub = Stubber(acm)
    described = {
        "CertificateArn": CERTIFICATE,
        "DomainName": HOST,
        "SubjectAlternativeNames": [HOST],
        "Status": "ISSUED",
        "NotAfter": datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(days=200),
        **changes,
    }
    asked = {"CertificateArn": CERTIFICATE}
    stub.add_response("describe_certificate", {"Certificate": described}, asked)
    stub.activate()
    return one("certificate", account(own_domain(), {"acm": acm}))


SOON = datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(days=29)
OTHER = {"DomainName": "other.test", "SubjectAlternativeNames": ["other.test", "*.other.test"]}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"DomainName": "*.store.test", "SubjectAlternativeNames": ["*.store.test"]}, "ok"),
        ({"Status": "PENDING_VALIDATION"}, "fault"),
        (OTHER, "fault"),
        ({"NotAfter": SOON}, "warning"),
    ],
)
def test_a_certificate_that_will_not_do_is_found(changes: dict[str, Any], state: State) -> None:
    assert certificate(**changes).state == state


WEB = {"web": {"Outputs": [{"OutputKey": "DistributionDomainName", "OutputValue": "d1.test"}]}}


def address(answer: Answering) -> Finding:
    return one("address", account(own_domain(), answer=answer, stacks=WEB))


def test_a_name_that_leads_elsewhere_or_nowhere_is_found() -> None:
    assert address(lambda _: httpx.Response(200, text="store")).state == "ok"
    assert address(lambda asked: httpx.Response(200, text=asked.url.host)).state == "fault"

    def nowhere(request: httpx.Request) -> httpx.Response:
        return gone(request) if request.url.host == HOST else httpx.Response(200)

    assert "d1.test" in address(nowhere).next_step


def test_a_sign_in_page_that_does_not_know_the_stores_address_is_found() -> None:
    def found(url: str | None) -> Finding:
        return one("address", account(replaced(load("dev"), "web", url=url), stacks=WEB))

    assert found("https://d1.test").state == "ok"
    assert found("https://d0.test").state == "warning"
    assert found(None).state == "fault"
    assert 'url = "https://d1.test"' in found(None).next_step


# Subscriptions: the emulator confirms each at once.


def test_a_subscription_that_nobody_has_confirmed_is_found() -> None:
    topic = "arn:aws:sns:eu-west-1:111122223333:spillway-dev-alarms"
    sns, cloudwatch = client("sns"), client("cloudwatch")
    stubs = [Stubber(sns), Stubber(cloudwatch)]
    pending = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email"}
    stubs[0].add_response(
        "list_subscriptions_by_topic", {"Subscriptions": [pending]}, {"TopicArn": topic}
    )
    names = [f"spillway-dev-{alarm.name}" for alarm in alarms(load("dev"))]
    there = [{"AlarmName": name, "ActionsEnabled": True} for name in names]
    stubs[1].add_response("describe_alarms", {"MetricAlarms": there})
    for stub in stubs:
        stub.activate()
    output = {"OutputKey": "AlarmsTopicArn", "OutputValue": topic}
    clients = {"sns": sns, "cloudwatch": cloudwatch}
    stacks = {"operations": {"Outputs": [output]}}
    finding = one("alarms", account(load("dev"), clients, stacks=stacks))
    assert (finding.state, "confirm" in finding.next_step) == ("warning", True)


# The events that a stage publishes, and who has subscribed.

CONFIRMED = '{"type": ["spillway.order.confirmed.v1"]}'
CANCELLED = '{"type": [{"prefix": "spillway.order.canc"}, "spillway.order.confirmed.v1"]}'
UNSAID = '{"type": [{"anything-but": ["spillway.order.accepted.v1"]}]}'


@pytest.mark.parametrize(
    ("published", "filters", "state", "named"),
    [
        ([], [], "ok", "nothing"),
        (["confirmed"], [CONFIRMED], "ok", "confirmed"),
        (["accepted", "confirmed"], ["", CONFIRMED], "ok", "accepted, confirmed"),
        (["confirmed"], [UNSAID], "ok", "confirmed"),
        ([], [""], "fault", "no event is published"),
        (["accepted"], ["", CONFIRMED], "fault", "confirmed, which is not published"),
        (["confirmed"], [CANCELLED], "fault", "cancelled, which is not published"),
        (["confirmed"], [], "warning", "nobody subscribes to confirmed"),
        (["accepted", "confirmed"], [CONFIRMED], "warning", "nobody subscribes to accepted"),
    ],
)
def test_events_are_compared_with_what_subscribers_filter_for(
    published: list[str], filters: list[str], state: State, named: str
) -> None:
    topic, sns = "arn:aws:sns:eu-west-1:111122223333:spillway-dev-order-events", client("sns")
    arns = [f"{topic}:{number}" for number in range(len(filters))]
    listed = [{"SubscriptionArn": arn} for arn in (*arns, "PendingConfirmation")]
    stub = Stubber(sns)
    stub.add_response("list_subscriptions_by_topic", {"Subscriptions": listed}, {"TopicArn": topic})
    for arn, policy in zip(arns, filters, strict=True):
        attributes = {"FilterPolicy": policy} if policy else {}
        asked = {"SubscriptionArn": arn}
        stub.add_response("get_subscription_attributes", {"Attributes": attributes}, asked)
    stub.activate()
    outputs = [{"OutputKey": "EventsTopicArn", "OutputValue": topic}]
    stage = replaced(load("dev"), "events", published=tuple(published))
    asked_of = account(stage, {"sns": sns}, stacks={"data": {"Outputs": outputs}})
    finding = one("events", asked_of)
    assert (finding.state, named in finding.says) == (state, True)
    assert ("infra/stages/dev.toml" in finding.next_step) is (state != "ok")
    stub.assert_no_pending_responses()


def test_a_mapping_that_cannot_read_is_found_although_it_is_enabled() -> None:
    functions = client("lambda")
    stub = Stubber(functions)
    mapping = {
        "UUID": "f1c9f8b0-4e0d-4c7e-9a57-0d3f6a3a2b11",
        "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:spillway-dev-relay:live",
        "EventSourceArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2026",
        "State": "Enabled",
        "LastProcessingResult": "PROBLEM: Lambda cannot assume the role",
    }
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": [mapping]})
    stub.activate()
    asked = account(load("dev"), {"lambda": functions}, stacks={"service": {}})
    [relay] = [finding for finding in CHECKS["mappings"](asked) if finding.about == "relay"]
    assert (relay.state, mapping["LastProcessingResult"] in relay.says) == ("fault", True)


def test_a_stack_that_one_command_would_delete_is_found() -> None:
    """Plain CloudFormation leaves to people what the CDK sets beside the template."""
    names = ("data", "identity", "service", "operations", "web")
    stacks: dict[str, dict[str, object]] = {
        name: {"StackStatus": "CREATE_COMPLETE"} for name in names
    }
    stacks["identity"]["EnableTerminationProtection"] = True
    found = CHECKS["stacks"](account(load("dev"), {}, stacks=stacks))
    [unprotected] = [finding for finding in found if finding.state != "ok"]
    assert (unprotected.about, unprotected.state) == ("spillway-dev-data", "warning")
    assert "--enable-termination-protection" in unprotected.next_step


# Drift that takes its time, and an account that does not answer.


def test_drift_that_could_not_be_compared_is_no_agreement() -> None:
    cloudformation = client("cloudformation")
    stub = Stubber(cloudformation)
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "1"})
    detection = {"StackId": "s", "StackDriftDetectionId": "1", "Timestamp": datetime.now(UTC)}
    for status in ("DETECTION_IN_PROGRESS", "DETECTION_FAILED"):
        stub.add_response(
            "describe_stack_drift_detection_status", {**detection, "DetectionStatus": status}
        )
    stub.activate()
    waits: list[float] = []
    stacks = {"data": {"StackName": "spillway-dev-data", "StackStatus": "CREATE_COMPLETE"}}
    asked = account(load("dev"), {"cloudformation": cloudformation}, stacks=stacks)
    assert one("drift", dataclasses.replace(asked, sleep=waits.append)).state == "warning"
    assert len(waits) == 1


def test_what_may_not_be_asked_is_a_fault_and_the_rest_is_asked() -> None:
    class Denied:
        def __getattr__(self, name: str) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": name}}, name)

    class Clients(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return Denied()

    found = [*examine(account(load("dev"), Clients()))]
    refused = {check for check, finding in found if finding.about == "AWS"}
    assert refused >= {"quotas", "collisions"}
    assert "stacks" in {check for check, finding in found if finding.state == "ok"}

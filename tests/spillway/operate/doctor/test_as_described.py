"""Doctor asks a downstream that has a description of its own by that, and reads each secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from infra.stage import Stage, load
from spillway.operate.doctor.downstreams import check_downstreams
from spillway.operate.doctor.findings import Finding
from spillway.operate.doctor.secrets import check_secrets
from tests.orders.downstream.servers import Answering, Asked, answering
from tests.orders.downstream.test_certificates import TODAY, authority, issued
from tests.spillway.operate.doctor.test_checks import account

Answered = tuple[int, Mapping[str, str], bytes]
PLACE = "/spillway/dev/accounting"


class NotThere(Exception):
    pass


class Ssm:
    exceptions = SimpleNamespace(ParameterNotFound=NotThere)

    def __init__(self, **texts: str) -> None:
        self.texts = {f"{PLACE}/{name.replace('_', '-')}": text for name, text in texts.items()}

    def get_parameter(self, **asked: Any) -> Any:
        if asked["Name"] not in self.texts:
            raise NotThere
        return {"Parameter": {"Type": "SecureString", "Value": self.texts[asked["Name"]]}}


def stage_with(**changes: Any) -> Stage:
    change = msgspec.structs.replace
    dev = load("dev")
    changed = change(dev.downstreams.accounting, **changes)
    return change(dev, downstreams=change(dev.downstreams, accounting=changed))


def oauth(server: Answering) -> dict[str, Any]:
    return {"auth": "oauth", "token_url": f"{server.url}/token", "client_id": "spillway"}


def found(server: Answering, ssm: Ssm, **changes: Any) -> Finding:
    asked = account(stage_with(**oauth(server), **changes), {"ssm": ssm})
    urls = {**asked.downstream_urls, "accounting": server.url}
    asked = replace(asked, downstream_urls=urls)
    # The two others keep our contract, and have no key there.
    return [*check_downstreams(asked)][-1]


def answer(asked: Asked) -> Answered:
    if asked.path == "/token":
        return 200, {}, b'{"access_token":"t","token_type":"Bearer","expires_in":60}'
    if asked.headers["authorization"] != "Bearer t":
        return 401, {}, b"{}"
    return 404, {}, b'{"code":"nothing_on_record"}'


def test_one_with_oauth_is_looked_up_in_with_a_token() -> None:
    with answering(answer) as server:
        finding = found(server, Ssm(client_secret="s"))
    assert (finding.about, finding.state) == ("accounting", "ok")
    assert [asked.method for asked in server.asked] == ["POST", "GET"]


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        ((401, {}, b'{"error":"invalid_client"}'), "answered 401 invalid_client"),
        ((405, {}, b""), "answered 405"),
    ],
)
def test_who_is_not_let_in_hears_why(answered: Answered, says: str) -> None:
    with answering(lambda _asked: answered) as server:
        finding = found(server, Ssm(client_secret="s"))
    assert finding.state == "fault"
    assert says in finding.says
    assert f"{PLACE}/client-secret" in finding.next_step


def test_one_that_offers_no_lookup_is_worth_a_look() -> None:
    def without(asked: Asked) -> Answered:
        return answer(asked) if asked.path == "/token" else (404, {}, b"<html>")

    with answering(without) as server:
        finding = found(server, Ssm(client_secret="s"))
    assert finding.state == "warning"
    assert "--send" in finding.next_step


def secret(ssm: Ssm, **changes: Any) -> dict[str, Finding]:
    stage = stage_with(**changes)
    at = replace(account(stage, {"ssm": ssm}), now=lambda: round(TODAY.timestamp() * 1000))
    names = {*stage.secret_parameters("accounting").values()}
    return {one.about: one for one in check_secrets(at) if one.about in names}


CERTIFIED: dict[str, Any] = {"auth": "none", "client_certificate": True, "server_ca": True}


@pytest.mark.parametrize(
    ("days", "state", "says"),
    [
        (60, "ok", "can be shown, until"),
        (12, "warning", "ends in 12 days"),
        (-3, "fault", "ended on"),
    ],
)
def test_the_end_of_a_certificate_is_seen_coming(days: int, state: str, says: str) -> None:
    pem = issued("spillway", authority(), days=days).with_key()
    ssm = Ssm(client_certificate=pem, server_ca=authority().pem)
    one = secret(ssm, **CERTIFIED)
    assert one[f"{PLACE}/server-ca"].state == "ok"
    finding = one[f"{PLACE}/client-certificate"]
    assert (finding.state, says in finding.says) == (state, True)


def test_what_is_no_certificate_is_a_fault() -> None:
    one = secret(Ssm(client_certificate=authority().pem, server_ca="-----BEGIN"), **CERTIFIED)
    assert [finding.state for finding in one.values()] == ["fault", "fault"]
    assert all("put-parameter --overwrite" in finding.next_step for finding in one.values())


@pytest.mark.parametrize(
    ("text", "state"), [("s3cr3t", "ok"), ("s3cr3t\n", "fault"), (None, "fault")]
)
def test_a_client_secret_is_there_and_as_it_was_given(text: str | None, state: str) -> None:
    ssm = Ssm() if text is None else Ssm(client_secret=text)
    settings = {"auth": "oauth", "token_url": "https://login.test/token", "client_id": "spillway"}
    finding = secret(ssm, **settings)[f"{PLACE}/client-secret"]
    assert finding.state == state
    assert "s3cr3t" not in repr(finding)


@pytest.mark.parametrize(
    ("key", "description", "state"),
    [
        ("credit.k1", "books", "fault"),
        ("credit.k1", "accounting", "ok"),
        ("v2.k1", "books", "ok"),
    ],
)
def test_where_orders_may_be_on_terms_accounting_is_told_the_terms(
    key: str, description: str, state: str
) -> None:
    stage = stage_with(description=description)
    ssm = Ssm()
    ssm.texts[stage.receipt_keys_parameter] = json.dumps({key: "ab" * 32})
    finding = next(check_secrets(account(stage, {"ssm": ssm})))
    assert finding.state == state
    assert ("books.toml" in finding.next_step) == (state == "fault")

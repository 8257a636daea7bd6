"""The control: who may use it, and what it refuses without changing anything."""

from typing import Any

import httpx
import pytest

from spillway.errors import SpillwayError
from spillway.run.loopback import http_client
from spillway.run.proxy.rules import RULES_MAX, Rules
from tests.spillway.run.proxy.conftest import TOKEN, Wire

pytestmark = pytest.mark.timeout(60)


def _ask(wire: Wire, method: str, path: str, **options: Any) -> httpx.Response:
    options.setdefault("headers", {"x-proxy-token": TOKEN})
    with http_client(base_url=wire.proxy.url) as http:
        return http.request(method, f"/_proxy/{path}", **options)


class TestWhoMay:
    @pytest.mark.parametrize("headers", [{}, {"x-proxy-token": ""}, {"x-proxy-token": "guess"}])
    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "rules"), ("POST", "rules"), ("POST", "reset")]
    )
    def test_the_control_needs_the_token(
        self, wire: Wire, method: str, path: str, headers: dict[str, str]
    ) -> None:
        with wire.proxy.inject(service="sqs", cut=True):
            answer = _ask(wire, method, path, headers=headers, content=b"[]")
            assert answer.status_code == 403
            assert answer.json()["title"] == "Forbidden"
            assert len(wire.proxy.rules()) == 1

    def test_control_is_no_traffic(self, wire: Wire) -> None:
        assert _ask(wire, "GET", "counts").json() == {"series": []}

    def test_what_does_not_exist_is_not_found(self, wire: Wire) -> None:
        for method, path in (("GET", "rule"), ("DELETE", "rules/x")):
            assert _ask(wire, method, path).status_code == 404


class TestRules:
    def test_all_rules_can_be_read(self, wire: Wire) -> None:
        with wire.proxy.inject(service="sqs", cut=True, times=3), wire.proxy.inject(delay=0.5):
            first, second = wire.proxy.rules()
        assert first == {
            "id": first["id"],
            "fired": 0,
            "service": "sqs",
            "cut": True,
            "times": 3,
        }
        assert second == {"id": second["id"], "fired": 0, "delay": 0.5}
        assert wire.proxy.rules() == []

    @pytest.mark.parametrize(
        ("rule", "why"),
        [
            ({}, "exactly one of refuse"),
            ({"cut": True, "delay": 1}, "exactly one of refuse"),
            ({"cut": False}, "cut"),
            ({"cut": True, "servce": "sqs"}, "servce"),
            ({"cut": True, "service": 7}, "service"),
            ({"cut": True, "service": ""}, "service"),
            ({"cut": True, "probability": 0}, "probability"),
            ({"cut": True, "probability": 1.5}, "probability"),
            ({"cut": True, "times": 0}, "times"),
            ({"refuse": "Not a code\r\n"}, "refuse"),
            ({"delay": 1e9}, "delay"),
            ({"delay": "long"}, "delay"),
            ({"partial": 0}, "partial"),
            (
                {"partial": 0.5, "service": "dynamodb"},
                "dynamodb None cannot have the fault partial",
            ),
            (
                {"partial": 0.5, "operation": "SendMessage"},
                "SendMessage cannot have the fault partial",
            ),
            ({"postpone": 5, "service": "sns"}, "sns None cannot have the fault postpone"),
            ({"postpone": 901}, "postpone"),
            ([], "array"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_named_and_changes_nothing(
        self, wire: Wire, rule: Any, why: str
    ) -> None:
        with wire.proxy.inject(service="ssm", delay=0.001):
            before = wire.proxy.rules()
            answer = _ask(wire, "POST", "rules", json=rule)
            assert answer.status_code == 422
            assert why in answer.json()["detail"]
            assert wire.proxy.rules() == before

    def test_the_handle_reports_a_refusal(self, wire: Wire) -> None:
        with (
            pytest.raises(SpillwayError, match="The proxy refused this"),
            wire.proxy.inject(delay="long"),
        ):
            pass

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b"[[]]"])
    def test_what_is_no_rule_at_all_changes_nothing(self, wire: Wire, content: bytes) -> None:
        assert _ask(wire, "POST", "rules", content=content).status_code == 422
        assert wire.proxy.rules() == []

    def test_there_is_a_bound(self) -> None:
        rules, rule = Rules(), b'{"service": "ssm", "delay": 0.001}'
        for _ in range(RULES_MAX):
            rules.add(rule)
        with pytest.raises(ValueError, match=str(RULES_MAX)):
            rules.add(rule)

    def test_fired_is_unknown_of_a_rule_that_was_taken_out_meanwhile(self, wire: Wire) -> None:
        with wire.proxy.inject(service="ssm", cut=True) as fault:
            wire.proxy.reset()
            with pytest.raises(SpillwayError, match="taken out"):
                fault.fired()

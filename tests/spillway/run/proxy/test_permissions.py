"""The proxy refuses a call as IAM would, and counts which permissions were used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from multidict import CIMultiDict

from spillway.errors import SpillwayError
from spillway.run.proxy.calls import Call, Request, recognise
from spillway.run.proxy.permissions import Need, Permissions, needs
from spillway.run.stack.aws import client
from tests.spillway.run.proxy.conftest import QUEUE, TABLE, Wire

pytestmark = pytest.mark.timeout(60)
ARN = "arn:aws:{service}:us-east-1:000000000000:{resource}"


def arn(service: str, resource: str) -> str:
    return ARN.format(service=service, resource=resource)


def call(service: str, operation: str, resource: str | None = None, **body: Any) -> Call:
    return Call(service, operation, resource, "intake", False, 1, body)


def granting(*actions: str, on: str) -> Permissions:
    permissions = Permissions()
    policy = {"intake": [{"Effect": "Allow", "Action": actions, "Resource": [on]}]}
    permissions.grant(json.dumps(policy).encode())
    return permissions


class TestJudging:
    @pytest.mark.parametrize(
        ("made", "need"),
        [
            (call("dynamodb", "PutItem", "orders"), ("dynamodb:PutItem", "table/orders")),
            (call("sqs", "SendMessageBatch", "work"), ("sqs:SendMessage", "work")),
            (
                call("sqs", "ChangeMessageVisibility", "work"),
                ("sqs:ChangeMessageVisibility", "work"),
            ),
            (call("sns", "PublishBatch", "news"), ("sns:Publish", "news")),
            (call("ssm", "GetParameter", "/a/key"), ("ssm:GetParameter", "parameter/a/key")),
        ],
    )
    def test_a_call_needs_what_aws_names_for_it(self, made: Call, need: tuple[str, str]) -> None:
        assert needs(made) == [Need("intake", *need)]

    @pytest.mark.parametrize(
        ("method", "action"), [("GET", "s3:GetObject"), ("PUT", "s3:PutObject")]
    )
    def test_an_object_is_named_by_its_path(self, method: str, action: str) -> None:
        headers = CIMultiDict(
            {
                "authorization": "AWS4-HMAC-SHA256"
                " Credential=test/20261123/us-east-1/s3/aws4_request, Signature=ab",
                "user-agent": "urllib3 app/intake",
            }
        )
        asked = recognise(Request(method, "/prices/books/v1?x=1", headers, b""))
        assert needs(asked) == [Need("intake", action, "prices/books/v1")]
        granted = granting(action, on="arn:aws:s3:::prices/books/*")
        assert granted.denial(asked) is None
        assert granting(action, on="arn:aws:s3:::prices/index.json").denial(asked)

    def test_a_batch_of_several_tables_needs_each(self) -> None:
        read = call("dynamodb", "BatchGetItem", RequestItems={"a": {}, "b": {}})
        assert [need.resource for need in needs(read)] == ["table/a", "table/b"]
        one = granting("dynamodb:BatchGetItem", on=arn("dynamodb", "table/a"))
        assert one.denial(read) == "AccessDeniedException"

    def test_what_is_granted_passes_and_is_counted(self) -> None:
        permissions = granting("dynamodb:GetItem", on=arn("dynamodb", "table/orders"))
        assert permissions.denial(call("dynamodb", "GetItem", "orders")) is None
        [reported] = permissions.to_json()["permissions"]
        assert (reported.used, reported.refused) == (1, 0)

    @pytest.mark.parametrize(
        "made",
        [
            call("dynamodb", "PutItem", "orders"),
            call("dynamodb", "GetItem", "orders-of-others"),
            Call("dynamodb", "GetItem", "orders", "reads", False, 1, {}),
            Call("dynamodb", "GetItem", "orders", None, False, 1, {}),
            call("dynamodb", "GetItem"),
        ],
        ids=["another action", "another table", "another function", "no function", "no table"],
    )
    def test_everything_else_is_denied_and_reported(self, made: Call) -> None:
        permissions = granting("dynamodb:GetItem", on=arn("dynamodb", "table/orders"))
        assert permissions.denial(made) == "AccessDeniedException"
        [denied] = permissions.to_json()["denied"]
        assert denied["times"] == 1

    @pytest.mark.parametrize(
        ("action", "resource"),
        [
            ("dynamodb:*", arn("dynamodb", "table/orders")),
            ("dynamodb:Get?tem", arn("dynamodb", "table/*")),
            ("*", arn("dynamodb", "*")),
        ],
    )
    def test_wildcards_mean_what_they_mean_to_iam(self, action: str, resource: str) -> None:
        permissions = granting(action, on=resource)
        assert permissions.denial(call("dynamodb", "GetItem", "orders")) is None
        assert permissions.denial(call("sqs", "SendMessage", "orders")) == "AccessDenied"

    def test_without_policies_everything_is_allowed(self) -> None:
        assert Permissions().denial(call("iam", "DeleteEverything")) is None

    def test_a_permission_can_be_denied_once(self) -> None:
        permissions = granting("dynamodb:GetItem", on=arn("dynamodb", "table/orders"))
        permissions.deny_once()
        made = call("dynamodb", "GetItem", "orders")
        assert permissions.denial(made) == "AccessDeniedException"
        assert permissions.denial(made) is None
        [reported] = permissions.to_json()["permissions"]
        assert (reported.used, reported.refused) == (1, 1)
        assert permissions.to_json()["denied"] == []

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"[]", "object"),
            (b'{"intake":[{"Effect":"Allow","Action":"a"}]}', "Resource"),
            (b'{"intake":[{"Effect":"Allow","Action":["a"],"Resource":["*"]}]}', "ARN"),
            (b'{"intake":[{"Effect":"Allow","Action":"a","Resource":[],"Condition":{}}]}', "Cond"),
            (b'{"intake":[{"Effect":"Deny","Action":"a","Resource":[]}]}', "Effect"),
        ],
    )
    def test_policies_that_it_cannot_judge_are_refused_and_change_nothing(
        self, content: bytes, why: str
    ) -> None:
        permissions = granting("dynamodb:GetItem", on=arn("dynamodb", "table/orders"))
        with pytest.raises(ValueError, match=why):
            permissions.grant(content)
        assert permissions.denial(call("dynamodb", "GetItem", "orders")) is None


class TestOnTheWire:
    @pytest.fixture
    def guarded(self, wire: Wire) -> Iterator[Wire]:
        """A wire on which `intake` may send to the queue, and nothing else."""
        wire.proxy.grant(_allowing("sqs:SendMessage", arn("sqs", QUEUE)))
        yield wire
        wire.proxy.grant(None)

    def _as_intake(self, wire: Wire, service: str) -> Any:
        settings: dict[str, Any] = {"user_agent_appid": "intake"}
        config = Config(retries={"total_max_attempts": 1}, **settings)
        return client(wire.proxy.url, service, config)

    def test_what_is_allowed_reaches_the_emulator(self, guarded: Wire) -> None:
        self._as_intake(guarded, "sqs").send_message(QueueUrl=guarded.queue_url, MessageBody="m")
        assert guarded.messages() == ["m"]
        assert [one["used"] for one in guarded.proxy.permissions()] == [1]

    @pytest.mark.parametrize(
        ("service", "code", "status"),
        [
            ("dynamodb", "AccessDeniedException", 400),
            ("sns", "AuthorizationError", 403),
            ("ssm", "AccessDeniedException", 400),
        ],
    )
    def test_a_denial_is_the_service_s_own(
        self, guarded: Wire, service: str, code: str, status: int
    ) -> None:
        caller = self._as_intake(guarded, service)
        calls = {
            "dynamodb": lambda: caller.put_item(TableName=TABLE, Item={"pk": {"S": "denied"}}),
            "sns": lambda: caller.publish(TopicArn=guarded.topic_arn, Message="m"),
            "ssm": lambda: caller.get_parameter(Name="/p"),
        }
        with pytest.raises(ClientError) as denied:
            calls[service]()
        assert denied.value.response["Error"]["Code"] == code
        assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert guarded.item("denied") is None
        [reported] = guarded.proxy.denied()
        assert (reported["function"], reported["times"]) == ("intake", 1)
        assert guarded.proxy.counts().requests(fault="denied", function="intake") >= 1

    def test_the_error_for_invalid_policies_names_the_function(self, guarded: Wire) -> None:
        with pytest.raises(SpillwayError, match="intake: orders is no ARN"):
            guarded.proxy.grant(_allowing("a:b", "orders"))


def _allowing(action: str, resource: str) -> dict[str, list[dict[str, str]]]:
    return {"intake": [{"Effect": "Allow", "Action": action, "Resource": resource}]}

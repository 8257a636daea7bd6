"""Each fault, on the real emulator, as a real SDK sees it."""

import time
from contextlib import suppress
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from spillway.errors import SpillwayError
from spillway.run.proxy import Proxy
from spillway.run.stack.aws import client
from spillway.run.stack.ports import free_port
from tests.spillway.run.proxy.conftest import TABLE, Wire

pytestmark = pytest.mark.timeout(60)


def _put(wire: Wire, key: str, **settings: Any) -> None:
    wire.through("dynamodb", **settings).put_item(TableName=TABLE, Item={"pk": {"S": key}})


def _entries(*bodies: str) -> list[dict[str, str]]:
    return [{"Id": f"id-{body}", "MessageBody": body} for body in bodies]


class TestRefuse:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("ProvisionedThroughputExceededException", 400),
            ("ThrottlingException", 400),
            ("InternalServerError", 500),
            ("ServiceUnavailable", 503),
        ],
    )
    def test_dynamodb_refuses_with_the_codes_own_status_and_nothing_is_done(
        self, wire: Wire, code: str, status: int
    ) -> None:
        with (
            wire.proxy.inject(service="dynamodb", operation="PutItem", refuse=code) as fault,
            pytest.raises(ClientError) as refused,
        ):
            _put(wire, f"refused-{code}")
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert fault.fired() == 1
        assert wire.item(f"refused-{code}") is None

    def test_a_modelled_error_is_the_sdks_own_exception(self, wire: Wire) -> None:
        dynamodb = wire.through("dynamodb")
        code = "ProvisionedThroughputExceededException"
        with (
            wire.proxy.inject(refuse=code),
            pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException),
        ):
            dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "1"}})

    @pytest.mark.parametrize("service", ["sqs", "sns", "ssm"])
    def test_every_protocol_has_its_form_of_error(self, wire: Wire, service: str) -> None:
        caller = wire.through(service)
        calls = {
            "sqs": lambda: caller.send_message(QueueUrl=wire.queue_url, MessageBody="m"),
            "sns": lambda: caller.publish(TopicArn=wire.topic_arn, Message="m"),
            "ssm": lambda: caller.get_parameter(Name="/p"),
        }
        with (
            wire.proxy.inject(service=service, refuse="ThrottlingException"),
            pytest.raises(ClientError) as refused,
        ):
            calls[service]()
        assert refused.value.response["Error"]["Code"] == "ThrottlingException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_the_sdk_gets_over_a_refusal_that_happens_once(self, wire: Wire) -> None:
        patient = Config(retries={"total_max_attempts": 3, "mode": "standard"})
        with wire.proxy.inject(refuse="ThrottlingException", times=1) as fault:
            client(wire.proxy.url, "dynamodb", patient).put_item(
                TableName=TABLE, Item={"pk": {"S": "retried"}}
            )
        assert fault.fired() == 1
        assert wire.item("retried") is not None


class TestDelay:
    def test_the_answer_comes_that_much_later(self, wire: Wire) -> None:
        began = time.monotonic()
        with wire.proxy.inject(delay=0.3):
            _put(wire, "late")
        assert time.monotonic() - began >= 0.3
        assert wire.item("late") is not None

    def test_what_its_caller_gave_up_is_done_all_the_same_and_not_before(self, wire: Wire) -> None:
        began = time.monotonic()
        with wire.proxy.inject(delay=1.5), pytest.raises(ReadTimeoutError):
            _put(wire, "abandoned", read_timeout=0.2)
        while wire.item("abandoned") is None:
            time.sleep(0.05)
        assert time.monotonic() - began >= 1.5

    def test_others_do_not_wait(self, wire: Wire) -> None:
        with wire.proxy.inject(operation="PutItem", delay=900):
            with pytest.raises(ReadTimeoutError):
                _put(wire, "stuck", read_timeout=0.1)
            wire.through("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "1"}})
        assert wire.item("stuck") is None


class TestLostConnections:
    def test_cut_does_nothing_and_answers_nothing(self, wire: Wire) -> None:
        with wire.proxy.inject(cut=True), pytest.raises(ConnectionClosedError):
            _put(wire, "cut")
        assert wire.item("cut") is None

    def test_a_lost_answer_is_of_something_done(self, wire: Wire) -> None:
        with wire.proxy.inject(lose_answer=True), pytest.raises(ConnectionClosedError):
            _put(wire, "done")
        assert wire.item("done") is not None

    def test_the_next_call_finds_a_new_connection(self, wire: Wire) -> None:
        dynamodb = wire.through("dynamodb")
        with wire.proxy.inject(cut=True, times=1):
            with pytest.raises(ConnectionClosedError):
                dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "first"}})
            dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "second"}})
        assert wire.item("second") is not None


class TestPartial:
    def test_sqs_takes_some_entries_and_names_the_others(self, wire: Wire) -> None:
        bodies = [str(number) for number in range(10)]
        with wire.proxy.inject(service="sqs", partial=0.25):
            answer = wire.through("sqs").send_message_batch(
                QueueUrl=wire.queue_url, Entries=_entries(*bodies)
            )
        failed = {entry["Id"] for entry in answer["Failed"]}
        assert len(failed) == 3  # 2.5, rounded up
        assert {entry["Code"] for entry in answer["Failed"]} == {"InternalError"}
        assert not any(entry["SenderFault"] for entry in answer["Failed"])
        assert {entry["Id"] for entry in answer["Successful"]} | failed == {
            f"id-{body}" for body in bodies
        }
        assert wire.messages() == [body for body in bodies if f"id-{body}" not in failed]

    def test_of_a_batch_none_may_get_through(self, wire: Wire) -> None:
        with wire.proxy.inject(partial=1):
            answer = wire.through("sqs").send_message_batch(
                QueueUrl=wire.queue_url, Entries=_entries("a", "b")
            )
        assert {entry["Id"] for entry in answer["Failed"]} == {"id-a", "id-b"}
        assert wire.messages() == []

    def test_sns_takes_some_entries_and_names_the_others(self, wire: Wire) -> None:
        _subscribe_the_queue(wire)
        entries = [
            {
                "Id": f"id-{number}",
                "Message": f"é & <{number}>",
                "MessageAttributes": {"type": {"DataType": "String", "StringValue": "a b+c"}},
            }
            for number in range(4)
        ]
        with wire.proxy.inject(service="sns", operation="PublishBatch", partial=0.5):
            answer = wire.through("sns").publish_batch(
                TopicArn=wire.topic_arn, PublishBatchRequestEntries=entries
            )
        failed = {entry["Id"] for entry in answer["Failed"]}
        assert len(failed) == 2
        assert all(entry["MessageId"] for entry in answer["Successful"])
        kept = [str(entry["Message"]) for entry in entries if entry["Id"] not in failed]
        arrived: list[str] = []
        while len(arrived) < len(kept):
            arrived += wire.messages()
        assert sorted(arrived) == sorted(kept)

    def test_a_single_send_is_not_a_batch(self, wire: Wire) -> None:
        with wire.proxy.inject(service="sqs", partial=1) as fault:
            wire.through("sqs").send_message(QueueUrl=wire.queue_url, MessageBody="whole")
        assert fault.fired() == 0
        assert wire.messages() == ["whole"]


class TestDuplicate:
    def test_a_send_becomes_two_messages(self, wire: Wire) -> None:
        with wire.proxy.inject(service="sqs", duplicate=True):
            answer = wire.through("sqs").send_message_batch(
                QueueUrl=wire.queue_url, Entries=_entries("a", "b")
            )
        assert len(answer["Successful"]) == 2
        assert wire.messages() == ["a", "a", "b", "b"]


class TestPostpone:
    def test_messages_arrive_out_of_order(self, wire: Wire) -> None:
        # By this seed the first message is hidden for 675 s and the second for 0 s. A queue of its
        # own, because the first outlives the test.
        queue_url = wire.direct("sqs").create_queue(QueueName="out-of-order")["QueueUrl"]
        with wire.proxy.inject(service="sqs", postpone=900, seed=1356):
            wire.through("sqs").send_message_batch(
                QueueUrl=queue_url, Entries=_entries("first", "second")
            )
        arrived = wire.direct("sqs").receive_message(QueueUrl=queue_url, WaitTimeSeconds=20)
        assert [message["Body"] for message in arrived["Messages"]] == ["second"]

    def test_a_longer_delay_of_the_senders_own_stays(self, wire: Wire) -> None:
        began = time.monotonic()
        with wire.proxy.inject(service="sqs", postpone=1):
            wire.through("sqs").send_message(
                QueueUrl=wire.queue_url, MessageBody="slow", DelaySeconds=3
            )
        while not (arrived := wire.messages()):
            time.sleep(0.05)
        assert arrived == ["slow"]
        assert time.monotonic() - began >= 3


class TestWhichCallsGetAFault:
    def test_service_operation_resource_and_function_must_all_match(self, wire: Wire) -> None:
        _put(wire, "1")
        dynamodb = wire.through("dynamodb", user_agent_appid="reads")
        rule = {"service": "dynamodb", "operation": "GetItem", "resource": TABLE}
        for wrong in (
            {**rule, "service": "sqs"},
            {**rule, "operation": "Query"},
            {**rule, "resource": "others"},
            {**rule, "function": "intake"},
        ):
            with wire.proxy.inject(**wrong, cut=True):
                dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "1"}})
        with (
            wire.proxy.inject(**rule, function="reads", cut=True),
            pytest.raises(ConnectionClosedError),
        ):
            dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "1"}})

    def test_the_same_seed_chooses_the_same_calls(self, wire: Wire) -> None:
        first, second = (_injected(wire, seed=7) for _ in range(2))
        assert first == second
        assert 0 < sum(first) < len(first)
        assert first != _injected(wire, seed=8)

    def test_the_first_rule_that_fires_decides(self, wire: Wire) -> None:
        with (
            wire.proxy.inject(refuse="ThrottlingException", times=1),
            wire.proxy.inject(refuse="InternalServerError") as second,
        ):
            codes = [_refused_with(wire), _refused_with(wire)]
        assert codes == ["ThrottlingException", "InternalServerError"]
        assert second.fired() == 1


def _injected(wire: Wire, seed: int) -> list[bool]:
    injected = []
    with wire.proxy.inject(refuse="ThrottlingException", probability=0.5, seed=seed) as fault:
        for number in range(16):
            before = fault.fired()
            with suppress(ClientError):
                _put(wire, str(number))
            injected.append(fault.fired() > before)
    return injected


def _refused_with(wire: Wire) -> str:
    with pytest.raises(ClientError) as refused:
        _put(wire, "1")
    code: str = refused.value.response["Error"]["Code"]
    return code


def _subscribe_the_queue(wire: Wire) -> None:
    arn = wire.direct("sqs").get_queue_attributes(
        QueueUrl=wire.queue_url, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    wire.direct("sns").subscribe(
        TopicArn=wire.topic_arn,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )


class TestAfterwards:
    def test_a_block_leaves_no_rule_behind_even_when_it_fails(self, wire: Wire) -> None:
        with pytest.raises(ZeroDivisionError), wire.proxy.inject(cut=True):
            raise ZeroDivisionError
        assert wire.proxy.rules() == []

    def test_a_block_may_be_reset_before_it_ends(self, wire: Wire) -> None:
        with wire.proxy.inject(cut=True):
            wire.proxy.reset()
        assert wire.proxy.rules() == []

    def test_a_proxy_that_is_gone_says_so(self) -> None:
        with pytest.raises(SpillwayError, match="does not answer"):
            Proxy(f"http://127.0.0.1:{free_port()}", "token").counts()

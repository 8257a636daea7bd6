"""What doctor says of orders that have left the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from infra.stage import Keeping, load
from orders.aws import items
from orders.domain.keeping import DAY_MS, PARTS
from orders.domain.saga import Facts, Outcome, Step
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.archive import LATE_HOURS, check_archive
from spillway.operate.doctor.findings import Finding
from tests.builders import NOW, accepted
from tests.spillway.archived import BUCKET, FakeS3, archived
from tests.spillway.operate.doctor.test_checks import account
from tests.spillway.operate.fakes import FakeLogs, outcome_of

RUN = "spillway-dev-archive"
HOUR_MS = 60 * 60 * 1000


@dataclass
class Scanned:
    """A boto3 DynamoDB client whose table has these stubs."""

    stubs: list[Any]

    def scan(self, **_: Any) -> dict[str, Any]:
        return {"Items": self.stubs}


def a_stub(s3: FakeS3) -> dict[str, Any]:
    order = accepted()
    facts = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})
    progress = {**items.progress_key(order.key), **outcome_of(facts)}
    [stub] = archived(s3, (items.order_item(order), progress))
    return stub


def asked(
    *stubs: Any,
    s3: FakeS3 | None = None,
    bucket: str | None = BUCKET,
    days: int | None = None,
    logs: FakeLogs | None = None,
    deployed_hours_ago: float = 1000,
) -> Account:
    outputs = [{"OutputKey": "ArchiveBucketName", "OutputValue": bucket}] if bucket else []
    deployed = datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(hours=deployed_hours_ago)
    return account(
        msgspec.structs.replace(load("dev"), keeping=Keeping(days=days)),
        {"dynamodb": Scanned([*stubs]), "s3": s3 or FakeS3(), "logs": logs or FakeLogs("dev")},
        stacks={"data": {"Outputs": outputs}, "service": {"CreationTime": deployed}},
    )


def one(of: Account) -> Finding:
    [finding] = check_archive(of)
    assert (finding.state == "ok") is (finding.next_step == "")
    return finding


def test_where_no_order_ever_left_there_is_nothing_to_say() -> None:
    assert list(check_archive(asked())) == []
    assert list(check_archive(account(load("dev")))) == []


class TestOrdersThatHaveLeft:
    def test_can_be_read(self) -> None:
        s3 = FakeS3()
        assert one(asked(a_stub(s3), s3=s3)).state == "ok"

    def test_are_missed_in_a_bucket_that_was_made_anew(self) -> None:
        s3 = FakeS3()
        finding = one(asked(a_stub(s3), s3=FakeS3()))
        assert finding.state == "fault"
        assert "NoSuchKey" in finding.says

    def test_are_missed_without_a_bucket(self) -> None:
        assert one(asked(a_stub(FakeS3()), bucket=None)).state == "fault"


class TestRuns:
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [("archived", "ok"), ("unfinished", "warning"), ("bug", "warning"), ("busy", "warning")],
    )
    def test_the_last_one_counts(self, outcome: str, state: str) -> None:
        logs = FakeLogs("dev")
        if outcome in ("archived", "unfinished"):
            logs.say("archive", NOW - 20 * HOUR_MS, step="archive", outcome="unfinished")
        logs.say("archive", NOW - HOUR_MS, step="archive", outcome=outcome)
        finding = one(asked(days=90, logs=logs))
        assert (finding.about, finding.state) == (RUN, state)

    def test_one_that_ran_out_of_time_is_told_how_to_go_on(self) -> None:
        logs, at = FakeLogs("dev"), NOW - HOUR_MS
        logs.say("archive", at, step="archive", outcome="unfinished", archived=5)
        finding = one(asked(days=90, logs=logs))
        assert f'{{"segment": {at // DAY_MS % PARTS}}}' in finding.next_step

    @pytest.mark.parametrize(("hours", "state"), [(LATE_HOURS - 1, "ok"), (LATE_HOURS, "warning")])
    def test_none_is_missed_only_once_one_was_due(self, hours: int, state: str) -> None:
        assert one(asked(days=90, deployed_hours_ago=hours)).state == state

    def test_one_of_long_ago_is_none(self) -> None:
        logs = FakeLogs("dev")
        logs.say("archive", NOW - (LATE_HOURS + 1) * HOUR_MS, step="archive", outcome="archived")
        assert one(asked(days=90, logs=logs)).state == "warning"

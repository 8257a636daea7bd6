"""When a downstream is said to be down, since when, and what that explains."""

from __future__ import annotations

from typing import Any

import pytest

from spillway.operate.logs.reading import Line, trouble_of
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.outages import (
    FAILED,
    LONG_SECONDS,
    Outage,
    explained,
    is_explained,
    outage_of,
    read_outages,
)
from spillway.operate.status.parts import Part
from spillway.target.records import Depth
from tests.spillway.operate.fakes import NOW, FakeLogs, service

AT = int(NOW * 1000)
ALARM = Alarm("always-settles", "ALARM", None, "", None, threshold=1_800)


def tried(seconds: int, order: str = "a", outcome: str = "postponed", **fields: Any) -> Line:
    """An attempt so many seconds before now."""
    if outcome in FAILED:
        fields = {"detail": "POST /postings: answered 503", "unsettled_s": 0, **fields}
    named = {"order_id": order, "command": "post", "outcome": outcome}
    return Line(AT - seconds * 1000, "deliver-accounting", {**named, **fields})


def found(failed: list[Line], answered: list[Line], waiting: int = 3) -> Outage | None:
    return outage_of("accounting", failed, answered, waiting)


def seconds_ago(outage: Outage | None) -> int:
    assert outage is not None
    return (AT - outage.since) // 1000


def test_it_is_down_since_it_was_first_needed_after_its_last_answer() -> None:
    failed = [tried(300), tried(200, "b", unsettled_s=5), tried(100, "b", unsettled_s=105)]
    outage = found(failed, [tried(250, "c", "done")])
    assert seconds_ago(outage) == 205
    assert outage is not None
    assert outage.answers_since is None
    assert outage.trouble == "status 503"


def test_without_an_answer_it_is_down_since_the_oldest_order_that_waits() -> None:
    assert seconds_ago(found([tried(50, unsettled_s=7_000), tried(20, "b")], [])) == 7_050


@pytest.mark.parametrize(
    ("failed", "answered", "waiting"),
    [
        ([], [], 3),
        ([tried(1)], [], 3),
        ([tried(9), tried(8)], [], 0),
        ([tried(9), tried(8)], [tried(2, outcome="done")], 3),
        ([tried(9), tried(8)], [tried(2, outcome="refused")], 3),
        ([tried(5, "b"), tried(4, "c")], [tried(1, "d", "done")], 3),
        ([tried(9, detail="the order is not readable yet")] * 2, [], 3),
    ],
    ids=[
        "nothing failed",
        "one hiccup",
        "nothing waits",
        "done since",
        "refused since",
        "answers others, and these failed just now",
        "the table's trouble",
    ],
)
def test_a_downstream_that_answers_is_not_called_down(
    failed: list[Line], answered: list[Line], waiting: int
) -> None:
    assert found(failed, answered, waiting) is None


def test_after_an_outage_what_still_waits_for_its_next_attempt_is_said() -> None:
    failed = [tried(90, "b", unsettled_s=600), tried(80, "c", unsettled_s=600)]
    outage = found(failed, [tried(60, "b", "done"), tried(30, "d", "done")], 1)
    assert outage is not None
    assert outage.answers_since == AT - 60_000
    assert "answers again since" in outage.sentence
    assert outage.waiting.endswith("within 3 minutes.")


def test_a_downstream_that_fails_now_and_then_is_not_called_down() -> None:
    failed = [tried(90 - n, f"f{n}", unsettled_s=60) for n in range(0, 60, 10)]
    answered = [tried(85 - n, f"a{n}", "done") for n in range(0, 60, 10)]
    outage = found(failed, [*answered, tried(1, "z", "done")], 6)
    assert outage is not None
    assert "fails some attempts since" in outage.sentence
    assert outage.waiting.startswith("6 orders or more wait for accounting's next")
    assert not outage.is_long(NOW + 90_000)


def test_a_count_of_messages_is_a_count_of_orders_at_the_least() -> None:
    outage = Outage("accounting", AT, AT, "timed out", 40, exact=False)
    assert outage.waiting == "40 orders or more wait for accounting and go on when it answers."


def test_what_began_on_another_day_has_its_date() -> None:
    sentence = Outage("inventory", AT - 86_400_000, AT, "timed out", 1, exact=True).sentence
    assert "since 2026-11-22 10:00:00 UTC" in sentence


@pytest.mark.parametrize(
    ("detail", "trouble"),
    [
        ("POST /postings: answered 503", "status 503"),
        ("GET /postings: answered 429", "status 429"),
        ("POST /shipments/x: ReadTimeoutError", "timed out"),
        ("POST /shipments: NewConnectionError", "no connection"),
        ("POST /shipments: answered 401 key_expired", "status 401"),
        ("token of login.example.com: answered 401 invalid_client", "status 401"),
        ("POST : answered 403", "status 403"),
        ("GET where it said to ask: answered 401", "status 401"),
        ("GET /shipments: names another host to ask at", "names another host to ask at"),
        ("POST /shipments: answered as if it were a lookup", "answered as if it were a lookup"),
        ("the table is throttled", None),
    ],
)
def test_trouble_is_named_in_no_library_s_words(detail: str, trouble: str | None) -> None:
    assert trouble_of(tried(1, detail=detail)) == trouble


def test_an_answer_that_somebody_must_fix_is_not_called_an_outage() -> None:
    wrong_key = {"detail": "POST /postings: answered 401", "unsettled_s": 60}
    logs = said_of(*[(second, "misconfigured", wrong_key) for second in (50, 30, 10)])
    [outage] = read_outages(service(logs=logs), [HELD], NOW)
    assert "takes no order since" in outage.sentence
    assert "(status 401); its key, its address or it needs a fix" in outage.sentence
    assert outage.waiting.endswith("go on when that is done.")
    # It goes down before anybody has: that is what it does now.
    failure = {"detail": "POST /postings: ReadTimeoutError", "unsettled_s": 70}
    line = tried(1, "b", "postponed", **failure)
    logs.say("deliver-accounting", line.at, step="deliver", **line.fields)
    [outage] = read_outages(service(logs=logs), [HELD], NOW)
    assert "has not answered since" in outage.sentence
    assert "(timed out); nothing is lost" in outage.sentence


def test_an_alarm_is_explained_where_each_order_waits_for_what_is_down() -> None:
    late = {"unsettled_s": 2_000}
    delivery = tried(5, unsettled_s=2_000)
    check = Line(AT, "watchdog", {"owed": ["post"], **late})
    elsewhere = Line(AT, "watchdog", {"owed": ["post", "ship"], **late})
    young = Line(AT, "deliver-fulfilment", {"command": "ship", "unsettled_s": 3})
    assert is_explained(ALARM, [delivery, check, young], {"accounting"})
    assert not is_explained(ALARM, [delivery, elsewhere], {"accounting"})
    assert is_explained(ALARM, [elsewhere], {"accounting", "fulfilment"})


def test_what_will_soon_be_dead_letters_is_not_played_down() -> None:
    aws = service(logs=FakeLogs())
    since = AT - (LONG_SECONDS - 60) * 1000
    outage = Outage("accounting", since, AT, "status 503", 2, exact=True)
    assert explained(aws, [ALARM], [outage], NOW) == {"always-settles"}
    assert explained(aws, [ALARM], [outage], NOW + 120) == frozenset()


def test_an_answer_that_is_older_than_the_failures_that_were_read_counts() -> None:
    logs = FakeLogs()
    said = [(110, "done", {}), (100, "postponed", {}), (50, "postponed", {"unsettled_s": 120})]
    for second, outcome, fields in [*said, (20, "postponed", {"unsettled_s": 150})]:
        line = tried(second, f"order {second}", outcome, **fields)
        logs.say("deliver-accounting", line.at, step="deliver", **line.fields)
    part = Part("deliver-accounting", Depth("accounting", 0, 2, 0), None, 0, 0, 0)
    aws = service(logs=logs)
    [outage] = read_outages(aws, [part], NOW)
    assert seconds_ago(outage) == 110
    # A minute later nobody has read that answer any more.
    for second in (-20, -50):
        line = tried(second, f"order {second}", unsettled_s=150)
        logs.say("deliver-accounting", line.at, step="deliver", **line.fields)
    [later] = read_outages(aws, [part], NOW + 61, [outage])
    assert later.since == outage.since


def said_of(*said: tuple[int, str, dict[str, Any]]) -> FakeLogs:
    logs = FakeLogs(page=500)
    for number, (second, outcome, fields) in enumerate(said):
        line = tried(second, f"order {number}", outcome, **fields)
        logs.say("deliver-accounting", line.at, step="deliver", **line.fields)
    return logs


HELD = Part("deliver-accounting", Depth("accounting", 0, 2, 0), None, 0, 0, 0)


def test_a_minute_with_one_attempt_alone_does_not_end_an_outage() -> None:
    old = [(second, "postponed", {"unsettled_s": 300}) for second in range(100, 300, 50)]
    logs = said_of(*old, (30, "postponed", {"unsettled_s": 400}))
    [outage] = read_outages(service(logs=logs), [HELD], NOW)
    assert outage.answers_since is None
    assert seconds_ago(outage) == 550


def test_a_thousand_failures_do_not_hide_the_answers_between_two_outages() -> None:
    failure = {"unsettled_s": 900, "half_done_s": 900}
    many = [(90 - n % 89, "postponed", failure) for n in range(1_200)]
    [outage] = read_outages(service(logs=said_of((100, "done", {}), *many)), [HELD], NOW)
    assert seconds_ago(outage) == 100


def test_it_answers_again_also_while_thousands_still_wait() -> None:
    failure = {"unsettled_s": 900, "half_done_s": 900}
    many = [(90 - n % 50, "postponed", failure) for n in range(1_200)]
    back: list[tuple[int, str, dict[str, Any]]] = [(39 - n, "done", {}) for n in range(9)]
    [outage] = read_outages(service(logs=said_of(*many, *back)), [HELD], NOW)
    assert outage.answers_since == AT - 39_000


def test_an_answer_on_the_express_path_is_one_too() -> None:
    failure = {"unsettled_s": 900, "half_done_s": 900}
    logs = said_of((90, "postponed", failure), (60, "postponed", failure))
    for second, steps in ((30, ["ship", "post"]), (20, ["ship"]), (10, [])):
        fields = {"order_id": f"order {second}", "command": "reserve", "outcome": "done"}
        logs.say("deliver-inventory", AT - second * 1000, step="deliver", express=steps, **fields)
    [outage] = read_outages(service(logs=logs), [HELD], NOW)
    assert outage.answers_since == AT - 30_000


def test_logs_are_read_of_a_downstream_only_while_something_waits_for_it() -> None:
    logs = FakeLogs()
    for second in (200, 100):
        fields = {"step": "deliver", **tried(second).fields}
        logs.say("deliver-accounting", AT - second * 1000, **fields)
    aws = service(logs=logs)

    def part(held: int) -> Part:
        return Part("deliver-accounting", Depth("accounting", 0, held, 0), None, 0, 0, 0)

    [outage] = read_outages(aws, [part(2)], NOW)
    assert (outage.downstream, outage.orders, outage.exact) == ("accounting", 2, False)
    assert read_outages(service(), [part(0)], NOW) == []

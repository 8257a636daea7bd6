"""Every answer to an order is recorded, and no other."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from spillway.prove.chaos.recorder import NO_ANSWER, Answered, ResponseRecorder


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("cut"):
        raise httpx.ReadError("cut off")
    return httpx.Response(202 if request.url.path.endswith("cancellation") else 201)


async def ask(recorder: ResponseRecorder, method: str, path: str) -> int:
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(
        transport=transport, event_hooks=recorder.hooks, base_url="http://api"
    ) as http:
        return (await http.request(method, path)).status_code


def test_the_answer_to_an_order_is_recorded_and_forwarded() -> None:
    acknowledged: list[None] = []
    recorder = ResponseRecorder()
    recorder.on_acknowledged = lambda: acknowledged.append(None)

    assert asyncio.run(ask(recorder, "PUT", "/orders/1")) == 201
    assert len(acknowledged) == 1
    assert [answer.status for answer in recorder.answers] == [201]
    assert recorder.answers[0].at > 0


def test_no_answer_is_recorded_too() -> None:
    recorder = ResponseRecorder()

    with pytest.raises(httpx.ReadError):
        asyncio.run(ask(recorder, "PUT", "/orders/cut"))

    assert [answer.status for answer in recorder.answers] == [None]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/orders/1"), ("PUT", "/orders/1/cancellation")]
)
def test_other_requests_are_forwarded_and_not_recorded(method: str, path: str) -> None:
    recorder = ResponseRecorder()

    assert asyncio.run(ask(recorder, method, path)) in (201, 202)
    assert recorder.answers == []


def test_answers_are_counted_by_status_with_none_last() -> None:
    statuses = (503, None, 201, 201, None)

    counted = ResponseRecorder([Answered(0, status) for status in statuses]).by_status()

    assert list(counted.items()) == [("201", 2), ("503", 1), (NO_ANSWER, 2)]

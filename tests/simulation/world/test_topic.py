import msgspec
import pytest

from simulation.world.topic import Topic


@pytest.mark.parametrize(
    ("first", "again", "contradicts"),
    [
        pytest.param("JD01", "JD01", False, id="the same"),
        pytest.param("JD01", None, False, id="erased meanwhile"),
        pytest.param(None, None, False, id="never had one"),
        pytest.param("JD01", "JD02", True, id="another number"),
        pytest.param(None, "JD01", True, id="a number that was not there"),
    ],
)
def test_an_event_that_comes_again_loses_at_most_its_tracking_number(
    first: str | None, again: str | None, contradicts: bool
) -> None:
    contradicted: list[str] = []
    topic = Topic("arn", contradicted.append)
    for number in (first, again):
        topic.publish(_shipped(number))
    assert contradicted == (["shipped/1"] if contradicts else [])


def test_an_event_that_comes_again_is_of_the_same_time() -> None:
    contradicted: list[str] = []
    topic = Topic("arn", contradicted.append)
    topic.publish(_shipped("JD01"))
    topic.publish(_shipped(None, time="later"))
    assert contradicted == ["shipped/1"]


def _shipped(tracking_number: str | None, time: str = "now") -> str:
    event = {"id": "shipped/1", "time": time, "data": {"tracking_number": tracking_number}}
    return msgspec.json.encode(event).decode()

"""traceparent, as the W3C specifies it: what is not exactly right is ignored."""

from __future__ import annotations

import pytest

from orders.domain.trace import Trace, of_order, parsed
from tests.builders import order_id

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("fe", False)]
)
def test_a_right_header_is_read_and_only_its_first_flag_counts(flags: str, sampled: bool) -> None:
    assert parsed(f"00-{ID}-{PARENT}-{flags}") == Trace(ID, PARENT, sampled)


def test_what_a_later_version_appends_is_left_alone() -> None:
    for header in (f"01-{ID}-{PARENT}-01", f"cc-{ID}-{PARENT}-01-what-ever"):
        assert parsed(header) == Trace(ID, PARENT, sampled=True)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        f"00-{ID}-{PARENT}",
        f"00-{ID}-{PARENT}-1",
        f"00-{ID}-{PARENT}-01-more",
        f"00-{ID}-{PARENT}-01\n",
        f" 00-{ID}-{PARENT}-01",
        f"ff-{ID}-{PARENT}-01",
        f"cc-{ID}-{PARENT}-01more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID[:-1]}-{PARENT}-01",
        f"00-{ID}-{PARENT}-01,00-{ID}-{PARENT}-01",
        f"00-{ID[:-1]}٣-{PARENT}-01",
    ],
)
def test_anything_else_is_no_trace(header: str | None) -> None:
    assert parsed(header) is None


def test_an_order_whose_client_names_no_trace_is_its_own() -> None:
    id_ = order_id()
    trace = of_order(id_)
    assert trace.trace_id == id_.replace("-", "")
    assert parsed(trace.header) == trace
    assert of_order(id_) == trace


def test_a_call_has_its_own_part_in_the_trace() -> None:
    trace = Trace(ID, PARENT, sampled=False)
    one, other = trace.called_by("POST ship 1"), trace.called_by("POST ship 2")
    assert parsed(one.header) == one
    assert (one.trace_id, one.sampled) == (ID, False)
    assert len({one.parent_id, other.parent_id, PARENT}) == 3

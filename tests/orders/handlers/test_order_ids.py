"""Any text can be in a path, and the HTTP API hands it over decoded. Only an order id may reach the
table: `<id>#progress` is the key of another item, and a key has at most 1,024 bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orders.flow.reads import Reads
from orders.handlers import intake, reads
from simulation.world.runtime import MemoryLog, MemoryOverflow, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import NOW, an_intake, order_body, order_id
from tests.orders.handlers.api_events import request

CONTRACT = Path(__file__).parents[3] / "docs" / "contracts" / "orders.yaml"
ID = order_id()
NO_IDS = [
    f"{ID}#progress",
    f"{ID}#progress#progress",
    f"{ID}#",
    f"{ID}\n",
    ID.upper(),
    "",
    "%",
    "%23",
    "\x00",
    "x" * 2_000,
    "ä" * 1_000,
    "\ufffe",
    "../" + ID,
]


DECIDE = "POST /orders/{order_id}/approval"


class NoTable(MemoryOrders):
    """Whatever reads or writes it is a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.client: Any = None


def answer(route: str, id_: str, query: dict[str, str] | None) -> tuple[int, list[str]]:
    method, log, orders = route.partition(" ")[0], MemoryLog(), NoTable()
    bodies = {"PUT /orders/{order_id}": order_body(ID), DECIDE: {"verdict": "released"}}
    body = bodies.get(route)
    event = request(route, order_id=id_, body=body, query=query)
    if method == "GET":
        status = reads.handle(event, Reads(orders, SetClock(NOW)), log)["statusCode"]
    else:
        status = intake.handle(event, an_intake(orders, MemoryOverflow()), log)["statusCode"]
    return status, [str(line["outcome"]) for line in log.lines]


def test_what_is_no_order_id_reaches_the_table_by_no_route() -> None:
    paths = msgspec.yaml.decode(CONTRACT.read_text())["paths"]
    routes = [
        f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method in operations.keys() & {"get", "put", "post", "delete"}
        if "{order_id}" in path
    ]
    assert len(routes) >= 3
    for route in routes:
        for query in (None, {"void": "true"}):
            for id_ in NO_IDS:
                status, outcomes = answer(route, id_, query)
                assert status in (404, 422), (route, id_)
                assert outcomes in ([], ["refused"]), (route, id_)


@pytest.mark.parametrize("route", ["GET /orders/{order_id}", "PUT /orders/{order_id}/cancellation"])
def test_an_order_id_does(route: str) -> None:
    """So the test above tells a route that reads the table from one that does not."""
    assert answer(route, ID, None)[0] == 500

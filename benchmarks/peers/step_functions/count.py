"""Walks orders through the definition, with the downstreams' real answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from benchmarks.peers.commands import TIMEOUT_SECONDS
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.step_functions.walk import Walk, definition
from spillway.run.loopback import http_client


def count(fakes: Fakes, orders: Sequence[str]) -> list[dict[str, Any]]:
    """What each order, a JSON text, takes: states executed, and retries."""
    machine, counted = definition(), []
    headers = {"x-api-key": fakes.api_key}
    with http_client(base_url=fakes.url, headers=headers, timeout=TIMEOUT_SECONDS) as client:

        def call(path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
            try:
                answer = client.post(path, json=body, headers=headers)
            except httpx.TimeoutException:
                return "States.Timeout"
            except httpx.TransportError:
                return "States.Http.Socket"
            return None if answer.is_success else f"States.Http.StatusCode.{answer.status_code}"

        for order in orders:
            walk = Walk(call)
            walk.through(machine, json.loads(order))
            operations = {"states": len(walk.entered), "retries": walk.retries}
            counted.append({"operations": operations})
    return counted

"""Measurements as small as they can be, with numbers that can be added up in the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.cost.deployed import Deployed
from spillway.plan.cost.measurement import Calls, FunctionUse, Measurement


def calls(service: str, operation: str, resource: str, requests: float, **more: Any) -> Calls:
    return Calls(
        service=service,
        operation=operation,
        resource=resource,
        requests=requests,
        entries=more.pop("entries", requests),
        **more,
    )


def use(invocations: float, records: float, *made: Calls, **more: Any) -> FunctionUse:
    return FunctionUse(
        invocations=invocations,
        records=records,
        messages=more.pop("messages", records),
        calls=[*made],
        log_bytes=more.pop("log_bytes", 0.0),
        log_lines=more.pop("log_lines", 0.0),
        **more,
    )


def measurement(orders: int = 100, fill: float = 10.0, **changes: Any) -> Measurement:
    """A hundred orders, relayed and delivered in batches of ten, and checked as a crowd is. With a
    fill of one they come one by one: each settles in its batch of the watch's."""
    batches = orders / fill
    checked = 0.0 if fill == 1 else 1.0
    sends = [
        calls("sqs", "SendMessageBatch", name, batches, entries=orders, chunks=batches)
        for name in DOWNSTREAMS
    ]
    set_checks = batches * checked
    functions = {
        "intake": use(
            orders,
            orders,
            calls("dynamodb", "PutItem", "orders", orders, write_units=orders),
            log_lines=orders,
            log_bytes=74.0 * orders,
            cpu_seconds=0.002 * orders,
        ),
        "relay": use(
            4 * batches,
            4 * orders,
            *sends,
            calls("sns", "PublishBatch", "order-events", batches, entries=orders, chunks=batches),
            cpu_seconds=0.001 * 4 * batches + 0.0002 * 4 * orders,
        ),
        "watchdog": use(
            batches + set_checks,
            orders * checked,
            calls(
                *("sqs", "SendMessageBatch", "watchdog", set_checks),
                entries=orders * checked,
                chunks=set_checks,
            ),
            calls(
                *("dynamodb", "BatchGetItem", "orders", set_checks),
                entries=orders * checked,
                read_units=0.5 * orders * checked,
            ),
            cpu_seconds=0.001 * batches,
        ),
        "reads": use(10, 10, calls("dynamodb", "Query", "orders", 10, read_units=10)),
        **{
            f"deliver-{name}": use(
                batches,
                orders,
                calls("dynamodb", "UpdateItem", "orders", orders, write_units=orders),
                cpu_seconds=0.001 * batches + 0.002 * orders,
            )
            for name in DOWNSTREAMS
        },
    }
    fields: dict[str, Any] = {
        "source": "emulator",
        "load": "crowd",
        "orders": orders,
        "workload": "made up",
        "taken_at": "2026-11-23",
        "requests": orders,
        "request_bytes": 2_000.0 * orders,
        "response_bytes": 300.0 * orders,
        "look_bytes": 2_000.0 * 10,
        "downstream_bytes": 4_000.0 * orders,
        "order_bytes": 700.0 * orders,
        "progress_bytes": 200.0 * orders,
        "progress_bytes_max": 200.0,
        "functions": functions,
        **changes,
    }
    return Measurement(**fields)


def stage(memory_mb: Mapping[str, float]) -> Deployed:
    """A stage that keeps logs for a month, and has nothing that is paid for by the month."""
    return Deployed(
        stage="test",
        memory_mb=memory_mb,
        sources={},
        parallelization=1,
        stream_window_seconds=300,
        alarms=0,
        dashboards=0,
        custom_metrics=0,
        log_days=30,
        events_published=("accepted", "confirmed"),
        good_news_one_in=1,
        api_requests_per_second=100,
        api_burst=100,
        api_looks_per_second=100,
    )

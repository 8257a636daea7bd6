"""Whether orders that have left the table can still be read, and whether they leave it in time."""

from __future__ import annotations

from collections.abc import Iterator

from infra.metrics import ARCHIVE
from orders.aws import items
from orders.domain.keeping import DAY_MS, PARTS
from spillway.errors import SpillwayError
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning
from spillway.operate.logs.reading import lines
from spillway.target.archive import OUTPUT, Archive

#: It runs once a day.
LATE_HOURS = 26
_HOUR_MS = 60 * 60 * 1000
_RAN = frozenset({"archived", "unfinished"})


def check_archive(account: Account) -> Iterator[Finding]:
    if "data" not in account.stacks:
        return
    yield from _lines(account)
    if account.stage.keeping.days is not None and "service" in account.stacks:
        yield _last_run(account)


def _lines(account: Account) -> Iterator[Finding]:
    """Reads the line of one archived order, if the first megabyte of the table has one."""
    stub = _some_stub(account)
    if stub is None:
        return
    bucket = account.outputs.get(OUTPUT)
    about = f"s3://{bucket}" if bucket else "archive"
    next_step = (
        "bring the bucket's objects back: docs/first-deployment.md, Destroy, and deploy again"
    )
    if bucket is None:
        yield fault(about, "orders have left the table, and no stack has their bucket", next_step)
        return
    try:
        Archive(lambda: account.client("s3"), lambda: bucket).items_of([stub])
    except SpillwayError as error:
        yield fault(about, str(error).rstrip("."), next_step)
    else:
        yield ok(about, "orders that have left the table can be read")


def _some_stub(account: Account) -> items.Item | None:
    answer = account.client("dynamodb").scan(
        TableName=account.service.resource_name("orders"),
        FilterExpression=f"attribute_exists({items.ARCHIVED})",
    )
    found: list[items.Item] = answer["Items"]
    return next(iter(found), None)


def _last_run(account: Account) -> Finding:
    about = account.service.resource_name(ARCHIVE)
    since = account.now() - LATE_HOURS * _HOUR_MS
    logged = lines(account.service, since=since, functions=(ARCHIVE,)).lines
    ran = [line for line in logged if line.outcome in _RAN]
    if ran and ran[-1].outcome == "archived":
        return ok(about, "its last run came to the end of its part of the table")
    if ran:
        return warning(
            about,
            "its last run did not come to the end of its part of the table, and that part's turn is"
            f" in {PARTS} days: orders stay longer than [keeping] says",
            f"have it go on: {_invoke(about, ran[-1].at // DAY_MS % PARTS)}",
        )
    if logged:
        return warning(
            about, f"its last run failed: {logged[-1].why}", f"try again: {_invoke(about)}"
        )
    if _age_ms(account) < LATE_HOURS * _HOUR_MS:
        return ok(about, "has not run yet: it does once a day")
    return warning(
        about,
        f"has not run for {LATE_HOURS} hours: no order leaves the table",
        f"look at its schedule: `aws scheduler get-schedule --name {about}`",
    )


def _invoke(function: str, segment: int | None = None) -> str:
    """Without a segment, the part of today."""
    part = "" if segment is None else f""" --payload '{{"segment": {segment}}}'"""
    raw = " --cli-binary-format raw-in-base64-out" if part else ""
    return (
        f"`aws lambda invoke --function-name {function}:live --invocation-type Event{raw}{part}"
        " /dev/stdout`"
    )


def _age_ms(account: Account) -> float:
    """Since the service was deployed last."""
    stack = account.stacks["service"]
    deployed = stack.get("LastUpdatedTime") or stack["CreationTime"]
    return account.now() - float(deployed.timestamp()) * 1000

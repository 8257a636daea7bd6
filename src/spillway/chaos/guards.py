"""Guards of the service, removed: small patches to its source, deployed over a running stack.

A guard is what keeps a promise in one place: a condition, an answer that is read, an order of two
steps. Each patch takes one out the way a careless change would. The control that runs with it must
come to the accident that the guard prevents, or the audit would not notice the real one either.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orders
from spillway.errors import SpillwayError
from spillway.local import Stack

#: Where the service's source lies, and what its files are called in a function's code.
SOURCE = Path(orders.__file__).parent
PACKAGE = "orders"

Sources = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Patch:
    """In `file` (below the package `orders`) the text `guarded` becomes `unguarded`."""

    file: str
    guarded: str
    unguarded: str

    def applied(self, sources: Sources) -> dict[str, str]:
        """SpillwayError: the guarded text is not there exactly once, so the service has changed."""
        text = sources.get(self.file, "")
        if text.count(self.guarded) != 1:
            raise SpillwayError(
                f"The guard in orders/{self.file} is not where it was:"
                " bring its patch in spillway/chaos/guards.py up to date."
            )
        return {**sources, self.file: text.replace(self.guarded, self.unguarded)}


@dataclass(frozen=True, slots=True)
class Guard:
    """`removed` says what the service does without it."""

    removed: str
    patches: tuple[Patch, ...]


CONDITION_OF_INTAKE = Guard(
    "intake puts an order without its condition",
    (
        Patch(
            "aws/table.py",
            """                    Item=items.order_item(order),
                    ConditionExpression=is_new,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
""",
            """                    Item=items.order_item(order),
""",
        ),
    ),
)

STORED_BEFORE_ANSWERED = Guard(
    "intake answers 202 without having stored the order",
    (
        Patch(
            "flow/intake.py",
            """            self.overflow.buffer(accepted)
            return Acknowledged(accepted, "buffered")
""",
            """            return Acknowledged(accepted, "buffered")
""",
        ),
    ),
)

WATCHDOG = Guard(
    "nobody has the watchdog look after an order",
    (Patch("flow/relay.py", "        self.watches.set(calls.watches)\n", ""),),
)

FAILED_MESSAGES_NAMED = Guard(
    "a batch names none of its failed messages, so that the queue deletes them too",
    (
        Patch(
            "handlers/batch.py",
            """            if not done
        ]
""",
            """            if not done
        ][:0]
""",
        ),
    ),
)

DONE_BEFORE_DELETED = Guard(
    "deliver takes a message out of its queue before it is done with it",
    (
        Patch(
            "handlers/deliver.py",
            """        message.is_about(command.key)
""",
            """        message.is_about(command.key)
        inbox: Any = parts.desk.inbox
        inbox.client.delete_message(QueueUrl=inbox.queue_url, ReceiptHandle=message.receipt)
""",
        ),
    ),
)

PARTIAL_FAILURES_READ = Guard(
    "nobody reads what a batch request did not take",
    (
        Patch(
            "aws/queues.py",
            "    if failed:\n        codes",
            "    if failed and False:\n        codes",
        ),
    ),
)

POISON_SET_ASIDE = Guard(
    "relay does not set aside a record that it cannot read",
    (
        Patch(
            "handlers/relay.py",
            """            _set_aside(record, bug, parts)
            continue
""",
            """            raise RuntimeError from bug
""",
        ),
    ),
)

SHIPPED_BESIDE_POSTED = Guard(
    "an order is shipped only when accounting has posted it",
    (
        Patch(
            "domain/saga.py",
            """        steps |= {Step.SHIP, Step.POST}
""",
            """        steps |= {Step.SHIP, Step.POST} if facts.known(Step.POST) else {Step.POST}
""",
        ),
    ),
)

GUARDS = (
    CONDITION_OF_INTAKE,
    STORED_BEFORE_ANSWERED,
    WATCHDOG,
    FAILED_MESSAGES_NAMED,
    DONE_BEFORE_DELETED,
    PARTIAL_FAILURES_READ,
    POISON_SET_ASIDE,
    SHIPPED_BESIDE_POSTED,
)


def remove(stack: Stack, guards: Iterable[Guard]) -> None:
    """Deploy the service without these guards, as all of the stack's functions.

    Functions that run meanwhile finish with the code they began with.
    """
    code = zipped(without(guards, sources()))
    lambda_ = stack.client("lambda")
    for name in _function_names(lambda_):
        lambda_.update_function_code(FunctionName=name, ZipFile=code)


def without(guards: Iterable[Guard], intact: Sources) -> Sources:
    """The service's source without these guards."""
    patched = intact
    for guard in guards:
        for patch in guard.patches:
            patched = patch.applied(patched)
    return patched


@cache
def sources() -> Sources:
    """The service's source: text by file name below the package, read once.

    Once, so that a change in the middle of a run cannot give two controls different services.
    """
    return {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
    }


def zipped(code: Sources) -> bytes:
    """The source as a function's code."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in code.items():
            archive.writestr(f"{PACKAGE}/{file}", text)
    return content.getvalue()


def _function_names(lambda_: object) -> Iterator[str]:
    paginator = lambda_.get_paginator("list_functions")  # type: ignore[attr-defined]
    for page in paginator.paginate():
        for function in page["Functions"]:
            # Only ours: the CDK may have helpers of its own among them.
            if function.get("Handler", "").startswith(f"{PACKAGE}.handlers."):
                yield function["FunctionName"]

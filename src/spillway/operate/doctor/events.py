"""Whether the stage publishes the events that somebody has subscribed to, and only those."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from orders.domain.events import EventType
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning

#: Of how many subscriptions the filters are read: a request each.
_FILTERS_READ_MAX = 100


def check_events(account: Account) -> Iterator[Finding]:
    topic = account.outputs.get("EventsTopicArn")
    if topic is None:
        return
    wanted = [*_wanted(account, topic)]
    yield _compared(account, topic.rpartition(":")[2], wanted)


def _compared(
    account: Account, about: str, wanted: Collection[Collection[EventType] | None]
) -> Finding:
    """`wanted`: of each subscription, as `filtered_for` has it."""
    published = {EventType[name.upper()] for name in account.stage.events.published}
    named = set(chain.from_iterable(types or () for types in wanted))
    name_them = f"name it in [events] published of {account.file} and deploy"
    if missing := named - published:
        return fault(
            about, f"somebody subscribes to {_names(missing)}, which is not published", name_them
        )
    if wanted and not published:
        return fault(about, "has subscriptions, and no event is published", name_them)
    unheard = set() if None in wanted else published - named
    # The emulator costs nothing, and its stage publishes all.
    if unheard and not account.stage.on_emulator:
        return warning(
            about,
            f"nobody subscribes to {_names(unheard)}, and each one that is published is paid for",
            f"take it out of [events] published in {account.file} and deploy, or subscribe",
        )
    return ok(about, f"{len(wanted)} confirmed subscriptions; published: {_names(published)}")


def _names(types: Collection[EventType]) -> str:
    return ", ".join(type_.name.lower() for type_ in EventType if type_ in types) or "nothing"


def _wanted(account: Account, topic: str) -> Iterator[Collection[EventType] | None]:
    """Of each confirmed subscription the types that its filter names."""
    sns = account.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = chain.from_iterable(page["Subscriptions"] for page in pages)
    arns = [one["SubscriptionArn"] for one in subscriptions]
    confirmed = [arn for arn in arns if arn.startswith("arn:")]
    for arn in confirmed[:_FILTERS_READ_MAX]:
        answer = sns.get_subscription_attributes(SubscriptionArn=arn)
        yield filtered_for(answer["Attributes"])
    yield from [None] * len(confirmed[_FILTERS_READ_MAX:])


def filtered_for(attributes: Mapping[str, str]) -> frozenset[EventType] | None:
    """The types that a subscription's filter lets pass. None where it does not say so by their
    names: it takes what comes, or some of it.

    The type is an attribute of the message and in its body, so both scopes of a filter have it.
    """
    policy: Any = msgspec.json.decode(attributes.get("FilterPolicy") or "{}")
    conditions = policy.get("type")
    if not isinstance(conditions, list):
        return None
    types: set[EventType] = set()
    for condition in conditions:
        passed = _passed(condition)
        if passed is None:
            return None
        types |= passed
    return frozenset(types)


def _passed(condition: Any) -> set[EventType] | None:
    match condition:
        case str():
            return {type_ for type_ in EventType if type_ == condition}
        case {"prefix": str(prefix)}:
            return {type_ for type_ in EventType if type_.startswith(prefix)}
    return None

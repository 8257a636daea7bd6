"""All checks, in the order in which a person would mend what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from infra.stage import StageError
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.archive import check_archive
from spillway.operate.doctor.deployed import (
    check_alarms,
    check_collisions,
    check_drift,
    check_mappings,
    check_price_book,
    check_stacks,
)
from spillway.operate.doctor.downstreams import check_downstreams
from spillway.operate.doctor.events import check_events
from spillway.operate.doctor.findings import Finding, fault, ok
from spillway.operate.doctor.quotas import check_parameter_throughput, check_quotas
from spillway.operate.doctor.secrets import check_secrets
from spillway.operate.doctor.web import check_address, check_certificate, check_issuer
from spillway.target.unreachable import why_silent


def _check_settings(account: Account) -> Iterator[Finding]:
    try:
        account.stage.check_addresses()
    except StageError as error:
        yield fault(account.file, str(error).rstrip("."), "correct it before anything is deployed")
    else:
        yield ok(account.file, "can be deployed")


CHECKS: Mapping[str, Callable[[Account], Iterator[Finding]]] = {
    "settings": _check_settings,
    "quotas": check_quotas,
    "parameters": check_parameter_throughput,
    "secrets": check_secrets,
    "downstreams": check_downstreams,
    "issuer": check_issuer,
    "certificate": check_certificate,
    "address": check_address,
    "collisions": check_collisions,
    "stacks": check_stacks,
    "mappings": check_mappings,
    "alarms": check_alarms,
    "events": check_events,
    "price_book": check_price_book,
    "archive": check_archive,
    "drift": check_drift,
}


def examine(account: Account) -> Iterator[tuple[str, Finding]]:
    """Each check's name with what it found. What AWS refuses to tell is a fault of its own: an
    account that was asked in part is not a sound one."""
    for name, check in CHECKS.items():
        try:
            for finding in check(account):
                yield name, finding
        except (ClientError, BotoCoreError) as error:
            yield (
                name,
                fault(
                    "AWS",
                    f"could not be asked ({why_silent(error)})",
                    "use credentials with doctor's permissions (docs/production.md, On call)",
                ),
            )

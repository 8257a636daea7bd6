"""Whether each downstream answers as its contract says, asked so that nothing can come of it.

Each gets an empty command, `{}`, twice under one idempotency key. It names no order, article or
amount, so there is nothing that could be done; the contracts answer 422 (or 400). That shows its
address, its key, its path and that it keeps to the contract when it is asked again. It can't show
that a key keeps an effect from happening twice: for that, one must happen (docs/production.md,
before you open). One with `idempotency = "lookup"` is looked up in instead, which only reads. Where
calls are signed, an unsigned one must be turned away: the deliveries' role alone may sign. One that
has a description of its own is asked by that, as `spillway downstreams check` does.

All is asked from this machine. A downstream in a private network answers only inside it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from infra.stage import Downstream as Settings
from orders.domain.saga import Downstream
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning
from spillway.operate.doctor.secrets import api_key
from spillway.operate.probing import clients_of, probe, service_of
from spillway.target.unreachable import why_silent

#: The first step of each.
PATHS: Mapping[str, str] = {
    "inventory": "/reservations",
    "fulfilment": "/shipments",
    "accounting": "/postings",
}
#: A bare 404 is also what a wrong address answers.
NOTHING_ON_RECORD = "nothing_on_record"
_REFUSED = frozenset({400, 422})
_UNKNOWN = frozenset({408, 425, 429})
#: In the place of a code: something in front of it has answered, which has not seen the command.
_PAGE = "with a page"
_NO_ENTRY = frozenset({401, 403})
_NO_SUCH_PATH = frozenset({404, 405})


def check_downstreams(account: Account) -> Iterator[Finding]:
    for name, downstream in account.stage.downstreams.by_name().items():
        if not _keeps_our_contract(account, name, downstream):
            yield _as_described(account, name)
            continue
        headers = _authorisation(account, name, downstream)
        if headers is None:
            # The check of secrets has said that there is no key.
            continue
        try:
            answers = [_ask(account, name, downstream, headers) for _ in "12"]
        except (httpx.TransportError, httpx.InvalidURL) as error:
            yield _silent(account, name, why_silent(error))
        else:
            yield _judged(account, name, downstream, *answers)


def _keeps_our_contract(account: Account, name: Downstream, settings: Settings) -> bool:
    """By HTTPS, and with a key or a signature alone: what the rest of this module knows."""
    return (
        account.stage.descriptions[name] == name
        and settings.auth in ("api_key", "sigv4")
        and not (settings.client_certificate or settings.server_ca)
    )


def _as_described(account: Account, name: Downstream) -> Finding:
    """Asked by its description, as `spillway downstreams check` does: only looked up in."""
    stage, url = account.stage, account.downstream_urls[name]
    if stage.downstreams.by_name()[name].auth == "sigv4":
        return ok(name, "is not asked: only the deliveries' role may sign")
    service = service_of(stage, name, url, clients_of(account.client), None)
    found = probe(stage, name, next(iter(service.description.requests)), service, send=False)
    if found.means == "not asked":
        return ok(name, "is not asked: it has no lookup, and a command would have its effect")
    if found.right:
        return ok(name, "looks up, and finds nothing under a new id")
    lookup_only = stage.downstreams.by_name()[name].idempotency == "lookup"
    if found.status in _NO_SUCH_PATH and not lookup_only:
        return warning(
            name,
            f"answers {found.status} to a lookup: it offers none, or its url is wrong",
            f"send it a made-up order: `spillway downstreams check {name} --send`",
        )
    if found.status is None and stage.network is not None:
        return warning(
            name,
            f"does not answer from this machine ({found.says}), as it need not in a private"
            " network",
            "ask from inside the network",
        )
    return fault(name, found.says, found.next_step)


def _silent(account: Account, name: str, why: str) -> Finding:
    about_it = f"[downstreams.{name}] url in {account.file}, its DNS and its firewall"
    if account.stage.network is not None:
        return warning(
            name,
            f"does not answer from this machine ({why}), as it need not in a private network",
            f"ask from inside the network, or check {about_it}",
        )
    return fault(
        name, f"does not answer from this machine ({why}): orders would wait", f"check {about_it}"
    )


def _authorisation(account: Account, name: str, downstream: Settings) -> dict[str, str] | None:
    key = f"doctor-{uuid.uuid4()}"
    if downstream.auth == "sigv4":
        return {"idempotency-key": key}
    secret = api_key(account, account.stage.secret_parameter(name, "api-key"))
    # A line break would be refused by the client; the check of secrets has said so.
    return None if secret is None else {"idempotency-key": key, "x-api-key": secret.strip()}


def _ask(
    account: Account, name: str, downstream: Settings, headers: Mapping[str, str]
) -> tuple[int, str]:
    """The answer's status, and its code if it has one, or `_PAGE`."""
    url, timeout = account.downstream_urls[name] + PATHS[name], downstream.timeout_seconds
    if downstream.idempotency == "lookup":
        nobody = {"customer_id": headers["idempotency-key"], "order_id": str(uuid.UUID(int=0))}
        answer = account.http.get(url, headers=headers, params=nobody, timeout=timeout)
    else:
        sent: dict[str, Any] = {}
        answer = account.http.post(url, headers=headers, json=sent, timeout=timeout)
    return answer.status_code, _code(answer)


def _code(answer: httpx.Response) -> str:
    try:
        content = answer.json()
    except ValueError:
        return _PAGE if answer.content else ""
    return str(content.get("code", "")) if isinstance(content, dict) else ""


def _judged(
    account: Account,
    name: str,
    downstream: Settings,
    first: tuple[int, str],
    again: tuple[int, str],
) -> Finding:
    status, code = first
    if status >= 500 or status in _UNKNOWN:
        return fault(name, f"answers {status} now: orders would wait", "ask its owners why")
    if first != again:
        return fault(
            name,
            f"answered {status} {code}, and {again[0]} {again[1]} to the same key again",
            "ask its owners: a key must always get the same answer, or steps are done twice",
        )
    if downstream.auth == "sigv4":
        return _judged_unsigned(name, status)
    if status in _NO_ENTRY:
        put = account.stage.secret_parameter(name, "api-key")
        return fault(name, f"answers {status}: it does not know the key", f"put its key into {put}")
    if downstream.idempotency == "lookup":
        right = status == 404 and code == NOTHING_ON_RECORD
        says = "looks up, and finds nothing under a new id"
    else:
        right, says = status in _REFUSED and code != _PAGE, "refuses an empty command, twice alike"
    if right:
        return ok(name, says)
    return fault(
        name,
        f"answers {status} {code}".rstrip() + " to what its contract refuses",
        f"check [downstreams.{name}] url in {account.file}, then docs/contracts/{name}.yaml with"
        " its owners",
    )


def _judged_unsigned(name: str, status: int) -> Finding:
    if status in _NO_ENTRY:
        return ok(name, "turns away who does not sign")
    return fault(
        name,
        f"answers {status} to a call that nobody signed",
        'ask its owners to let in signed calls only, or use auth = "api_key"',
    )

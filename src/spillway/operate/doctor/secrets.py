"""Whether each secret is there and says what the service reads from it. None is ever shown."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from orders.aws.parameters import SecureParameter, SsmSigningKeys
from orders.domain.receipt import names_customer, signs_credit
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import Millis
from orders.downstream.certificates import context, days_left, not_after
from orders.downstream.description import DESCRIPTIONS
from orders.failures import Misconfigured, TransientFailure
from orders.wiring import SystemClock
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning

#: What a header can hold, without the line break that an editor leaves at the end.
_API_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def check_secrets(account: Account) -> Iterator[Finding]:
    stage = account.stage
    yield _receipt_keys(account)
    if stage.price_keys_parameter is not None:
        yield _signing_keys(account, stage.price_keys_parameter)
    if _type_of(account, stage.coupon_keys_parameter) is None:
        yield ok(stage.coupon_keys_parameter, "none yet: `spillway coupons generate` makes them")
    else:
        yield _signing_keys(account, stage.coupon_keys_parameter)
    if stage.payments is not None:
        yield _api_key(account, stage.gateway_key_parameter)
    for downstream in DOWNSTREAMS:
        for kind, name in stage.secret_parameters(downstream).items():
            yield _OF_DOWNSTREAM[kind](account, name)


def api_key(account: Account, name: str) -> str | None:
    """A downstream's key; None where there is none."""
    return None if _type_of(account, name) is None else _parameter(account, name).text()


def _parameter(account: Account, name: str) -> SecureParameter:
    """As the service reads it."""
    ssm = account.client("ssm")
    return SecureParameter(lambda: ssm, name, SystemClock(), random.random, account.sleep)


def _receipt_keys(account: Account) -> Finding:
    name = account.stage.receipt_keys_parameter
    found = _signing_keys(account, name)
    if found.state != "ok":
        return found
    keys = _keys(account, name)
    credit = [key for key in keys if signs_credit(key)]
    if credit and not _learns_of_terms(account):
        return fault(
            name,
            f"{credit[0]} signs credit decisions, and accounting is never told of the terms: it"
            " would book what was bought on an invoice as paid",
            f"let {_accounting_file(account).name} say {{payment_terms}}, or remove the key",
        )
    old = [key for key in keys if not names_customer(key)]
    if not old:
        return found
    return warning(
        name,
        f"{', '.join(old)} signs receipts that name no customer: one payment can buy an order for"
        " two accounts",
        "let the gateway sign with a key whose id begins with v2., then remove it",
    )


def _accounting_file(account: Account) -> Path:
    return DESCRIPTIONS / f"{account.stage.descriptions['accounting']}.toml"


def _learns_of_terms(account: Account) -> bool:
    return "{payment_terms}" in _accounting_file(account).read_text(encoding="utf-8-sig")


def _signing_keys(account: Account, name: str) -> Finding:
    wrong = _not_a_secret(account, name, """'{"<id>":"<64 hex digits>"}'""")
    if wrong is not None:
        return wrong
    try:
        keys = _keys(account, name)
    except TransientFailure as error:
        return fault(
            name,
            f"{error}: orders that need it are answered 503",
            _put(name, """'{"<id>":"<64 hex digits>"}'""", overwrite=True),
        )
    return ok(name, f"keys in force: {', '.join(keys)}")


def _keys(account: Account, name: str) -> Mapping[str, bytes]:
    return SsmSigningKeys(_parameter(account, name)).in_force()


def _api_key(account: Account, name: str) -> Finding:
    wrong = _not_a_secret(account, name, "'<key>'")
    if wrong is not None:
        return wrong
    if _API_KEY.fullmatch(_parameter(account, name).text()) is None:
        return fault(
            name,
            "no HTTP header can hold it: a line break or a space at an end, or a foreign character",
            _put(name, "'<key>'", overwrite=True),
        )
    return ok(name, "can be sent")


def _client_secret(account: Account, name: str) -> Finding:
    wrong = _not_a_secret(account, name, "'<secret>'")
    if wrong is not None:
        return wrong
    text = _parameter(account, name).text()
    if text != text.strip():
        return fault(
            name,
            "has a space or a line break at an end, which is part of the secret that is sent",
            _put(name, "'<secret>'", overwrite=True),
        )
    return ok(name, "can be sent")


def _client_certificate(account: Account, name: str) -> Finding:
    value = '"$(cat client.pem client.key)"'
    wrong = _not_a_secret(account, name, value)
    if wrong is not None:
        return wrong
    text, put = _parameter(account, name).text(), _put(name, value, overwrite=True)
    try:
        context(text, None)
        ends_at = not_after(text)
    except Misconfigured as error:
        return fault(name, str(error), put)
    days = days_left(ends_at, Millis(account.now()))
    if days is None:
        return ok(name, f"can be shown, until {_day(ends_at)}")
    if days < 0:
        return fault(name, f"ended on {_day(ends_at)}: orders would wait", put)
    return warning(name, f"ends in {days} days, on {_day(ends_at)}", f"ask for another, then {put}")


def _server_ca(account: Account, name: str) -> Finding:
    wrong = _not_a_secret(account, name, '"$(cat ca.pem)"')
    if wrong is not None:
        return wrong
    try:
        context(None, _parameter(account, name).text())
    except Misconfigured as error:
        return fault(name, str(error), _put(name, '"$(cat ca.pem)"', overwrite=True))
    return ok(name, "can be verified with")


def _day(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


#: By what a downstream's parameter holds (`Stage.secret_parameters`).
_OF_DOWNSTREAM: Mapping[str, Callable[[Account, str], Finding]] = {
    "api-key": _api_key,
    "client-secret": _client_secret,
    "client-certificate": _client_certificate,
    "server-ca": _server_ca,
}


def _not_a_secret(account: Account, name: str, value: str) -> Finding | None:
    kind = _type_of(account, name)
    if kind is None:
        return fault(name, "is not there", _put(name, value))
    if kind != "SecureString":
        # Its type can only be changed by making it anew.
        return fault(
            name,
            f"is stored as {kind}, in clear",
            f"delete it, and {_put(name, value)}",
        )
    return None


def _type_of(account: Account, name: str) -> str | None:
    """None where there is no such parameter. Without decryption: the value isn't read."""
    ssm = account.client("ssm")
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Type"])
    except ssm.exceptions.ParameterNotFound:
        return None


def _put(name: str, value: str, *, overwrite: bool = False) -> str:
    option = "--overwrite " if overwrite else ""
    return f"`aws ssm put-parameter {option}--type SecureString --name {name} --value {value}`"

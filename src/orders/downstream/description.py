"""How a downstream is spoken to, as a file in `descriptions/` says it: the request of each step,
and what each answer means. docs/downstreams.md has the format.

A file is read strictly when a stage is synthesised (`described`) and again when a function starts:
whatever is wrong with it is told in one sentence, before there is an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orders.domain.saga import DOWNSTREAM_OF, Downstream, Step
from orders.downstream import template
from orders.downstream.answers import OF_PARCELS, Pointer, Rule
from orders.downstream.template import TemplateError, Used, Value
from orders.ports import Needs

DESCRIPTIONS = Path(__file__).parent / "descriptions"

#: A path below the downstream's URL.
#: As it is sent: printable ASCII without a space, a fragment's # and a backslash.
Path_ = Annotated[str, Meta(pattern=r"^/[!-\"$-\[\]-~]*\Z")]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+\Z")]
#: What stands before a secret or a signature in its header.
Prefix = Annotated[str, Meta(pattern=r"^[ -~]*\Z")]
By = Literal["https", "lambda", "queue"]
KEY_HEADER = {"idempotency-key": "{idempotency_key}"}
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH")


class DescriptionError(Exception):
    """A description is missing or wrong. The message is one sentence."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a description's file."""


class Lookup(_Strict, frozen=True):
    """How to ask what became of a step, by GET. Without `path` it can be asked only where an answer
    to the command said where."""

    path: Path_ | None = None
    answers: tuple[Rule, ...] = ()


class StepRequest(_Strict, frozen=True):
    """The request of one step. `answers` are tried before those of the whole description."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Path_ | None = None
    #: Left out: `idempotency-key`.
    headers: dict[str, str] | None = None
    body: dict[str, Any] | None = None
    answers: tuple[Rule, ...] = ()
    lookup: Lookup | None = None

    def __post_init__(self) -> None:
        if self.body is not None and self.method not in _METHODS_WITH_BODY:
            raise ValueError(f"{self.method} takes no body")


class ApiKey(_Strict, frozen=True):
    """Where a request has the key of `auth = "api_key"`."""

    header: HeaderName = "x-api-key"
    prefix: Prefix = ""


class Signature(_Strict, frozen=True):
    """How a callback proves who sends it: HMAC-SHA256 in hex over `<timestamp>.<body>`."""

    header: HeaderName
    timestamp_header: HeaderName
    prefix: Prefix = ""


#: What a message may tell; `later` is news of what is not decided yet, or of something else.
TELLABLE = ("done", "refused", "later", *OF_PARCELS)


class Outcomes(_Strict, frozen=True):
    """How the downstream tells outcomes that come later. `correlation_id` leads to the text of that
    name which our request carried. Rules have no `status`."""

    by: Literal["callback", "queue"]
    correlation_id: Pointer
    answers: Annotated[tuple[Rule, ...], Meta(min_length=1)]
    signature: Signature | None = None

    def __post_init__(self) -> None:
        if (self.by == "callback") != (self.signature is not None):
            raise ValueError('signature goes with by = "callback", and only with it')
        if any(rule.status or rule.means not in TELLABLE for rule in self.answers):
            raise ValueError(f"an outcome has no status, and is {', '.join(TELLABLE)}")
        if any(rule.ask is not None for rule in self.answers):
            raise ValueError("an outcome has no ask: whoever tells it tells it again")
        if any(not rule.where and rule.means != "later" for rule in self.answers):
            raise ValueError("an outcome has a where, or each message that no rule knows would fit")
        for place, rule in enumerate(self.answers):
            if rule.means == "order_returned":
                self._raise_if_others_fit_too(place, rule)

    def _raise_if_others_fit_too(self, place: int, whole: Rule) -> None:
        """The money of an order goes back by this rule, so it must be told from a parcel's return
        by what a message has, and never by what it lacks: a misspelt field would be lacking."""
        for other_place, other in enumerate(self.answers):
            if other.means not in OF_PARCELS or other.means == whole.means:
                continue
            asks_for_more = place < other_place and whole.where.keys() - other.where.keys()
            if not asks_for_more and not whole.is_told_from(other):
                raise ValueError(
                    f'the where of means = "{whole.means}" must rule out means = "{other.means}",'
                    " or ask for more and stand before it"
                )

    @property
    def of_parcels(self) -> bool:
        """Whether it tells of parcels."""
        return any(rule.means in OF_PARCELS for rule in self.answers)


class _File(_Strict, frozen=True):
    by: By = "https"
    api_key: ApiKey = ApiKey()
    answers: tuple[Rule, ...] = ()
    outcomes: Outcomes | None = None
    reserve: StepRequest | None = None
    release: StepRequest | None = None
    ship: StepRequest | None = None
    cancel_shipment: StepRequest | None = None
    recall_shipment: StepRequest | None = None
    post: StepRequest | None = None
    refund: StepRequest | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One step's request, ready to be made of any command. `lookup`: the path to ask at."""

    method: str
    path: Value | None
    headers: Value
    body: Value | None
    lookup: Value | None
    #: In the order in which they are tried.
    answers: tuple[Rule, ...]
    lookup_answers: tuple[Rule, ...]
    needs: Needs


@dataclass(frozen=True, slots=True)
class Description:
    by: By
    api_key: ApiKey
    outcomes: Outcomes | None
    requests: Mapping[Step, Request]

    @property
    def decides_later(self) -> bool:
        return any(map(self.later, self.requests))

    def later(self, step: Step) -> bool:
        """Whether the outcome of this step may come later than the answer."""
        return any(rule.means == "later" for rule in self.requests[step].answers)


@cache
def described(name: str, downstream: Downstream, descriptions: Path = DESCRIPTIONS) -> Description:
    """The description called `name`, of the downstream that does these steps. Raises
    DescriptionError."""
    file = f"{name}.toml"
    try:
        written = msgspec.convert(_read(name, descriptions), _File)
    except msgspec.ValidationError as error:
        raise DescriptionError(f"{file}: {error}.") from None
    if written.outcomes is not None and written.outcomes.of_parcels and downstream != "fulfilment":
        raise DescriptionError(
            f"{file}: only fulfilment tells of parcels, and {downstream} is not."
        )
    requests = {}
    for step in Step:
        one: StepRequest | None = getattr(written, step.value)
        if (one is not None) != (DOWNSTREAM_OF[step] == downstream):
            has = "has no" if one is None else "has"
            raise DescriptionError(
                f"{file}: {has} [{step}], and {downstream} does"
                f" {' and '.join(does for does in Step if DOWNSTREAM_OF[does] == downstream)}."
            )
        if one is None:
            continue
        try:
            requests[step] = _ready(one, written)
        except RecursionError:
            raise DescriptionError(f"{file}: in [{step}] it is nested too deep.") from None
        except (TemplateError, ValueError) as error:
            raise DescriptionError(f"{file}: in [{step}] {error}.") from None
    return Description(written.by, written.api_key, written.outcomes, requests)


def _read(name: str, descriptions: Path) -> Any:
    """The bundle has each file as JSON (infra.bundle): a parser of TOML would lengthen every cold
    start."""
    ready = descriptions / f"{name}.json"
    if ready.exists():
        return msgspec.json.decode(ready.read_bytes())
    import tomllib

    try:
        return tomllib.loads((descriptions / f"{name}.toml").read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise DescriptionError(f"{name}.toml is nested too deep.") from None
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in descriptions.glob("*.toml")))
        raise DescriptionError(f"There is no description {name!r}; there are: {known}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DescriptionError(f"{name}.toml is not TOML: {error}.") from None


def _ready(request: StepRequest, file: _File) -> Request:
    """Raises ValueError."""
    if (request.path is None) == (file.by == "https"):
        raise ValueError('a path goes with by = "https", and only with it')
    if file.by != "https" and request.lookup is not None:
        raise ValueError('a lookup goes with by = "https", and only with it')
    lookup = request.lookup or Lookup()
    answers = (*request.answers, *file.answers)
    if not answers:
        raise ValueError("no answer is declared, so none would mean that it was done")
    if file.by != "https" and any(rule.ask is not None for rule in answers):
        raise ValueError('ask goes with by = "https", and only with it')
    lookup_answers = (*lookup.answers, *file.answers)
    for rule in (*answers, *lookup_answers):
        if rule.means in OF_PARCELS:
            raise ValueError(f'means = "{rule.means}" is told later, by a rule of [outcomes]')
        if file.by == "https" and rule.is_sweeping:
            raise ValueError(
                f'means = "{rule.means}" fits what a wrong key is answered too: name each status'
            )
    if not any(rule.means in ("done", "later") for rule in answers):
        raise ValueError("no answer means that it was done or will be")
    used = Used()
    return Request(
        method=request.method,
        path=None if request.path is None else template.path(request.path, used),
        headers=template.headers(KEY_HEADER if request.headers is None else request.headers, used),
        body=None if request.body is None else template.body(request.body, used),
        lookup=None if lookup.path is None else template.path(lookup.path, used),
        answers=answers,
        lookup_answers=lookup_answers,
        needs=used.needs,
    )

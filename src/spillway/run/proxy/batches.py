"""Sends and batches that the proxy changes on their way: fewer entries, or later ones.

A changed request's signature no longer fits. The emulator does not look at it.
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from spillway.run.proxy.answers import document, xml
from spillway.run.proxy.calls import SNS_ENTRY, Answer, Call, Request, answer_of

#: The code of a failed entry in a batch's answer.
ENTRY_ERROR = "InternalError"

_ENTRY_MESSAGE = "Failed by the proxy"


class Batch:
    """The entries of a batch request, of which some can be taken out and answered as failed."""

    def __init__(self, request: Request, call: Call) -> None:
        self._request = request
        self._call = call
        #: One mapping per entry; of SNS with the names that follow `...member.N.`.
        self.entries: list[dict[str, Any]] = (
            _form_entries(call.body) if call.form else list(call.body.get("Entries", ()))
        )

    def without(self, failed: Sequence[Mapping[str, Any]]) -> Request:
        """The same request with only the entries that are not among `failed`."""
        kept = [entry for entry in self.entries if entry not in failed]
        if not self._call.form:
            body = msgspec.json.encode({**self._call.body, "Entries": kept})
        else:
            fields = {k: v for k, v in self._call.body.items() if not SNS_ENTRY.fullmatch(k)}
            for number, entry in enumerate(kept, start=1):
                prefix = f"PublishBatchRequestEntries.member.{number}."
                fields |= {prefix + name: value for name, value in entry.items()}
            body = urlencode(fields).encode()
        return replace(self._request, body=body)

    def answered(self, answer: Answer | None, failed: Sequence[Mapping[str, Any]]) -> Answer:
        """`answer` to the request without `failed`, and those as failed.

        None: there was no request, because all entries failed.
        """
        ids = [str(entry.get("Id", "")) for entry in failed]
        if self._call.form:
            return _sns_partial(answer, ids)
        content: dict[str, Any] = {"Successful": []}
        if answer is not None:
            content = msgspec.json.decode(answer.body)
        errors = [
            {"Id": id_, "Code": ENTRY_ERROR, "Message": _ENTRY_MESSAGE, "SenderFault": False}
            for id_ in ids
        ]
        content["Failed"] = [*content.get("Failed", ()), *errors]
        return answer_of(200, "application/x-amz-json-1.0", msgspec.json.encode(content))


def postponed(request: Request, call: Call, rng: random.Random, seconds_max: int) -> Request:
    """The same SQS send, each message hidden for a random while of up to `seconds_max`.

    A message that its sender hides for longer keeps its own delay.
    """
    body = dict(call.body)
    if "Entries" in body:
        body["Entries"] = [_hidden(entry, rng.randint(0, seconds_max)) for entry in body["Entries"]]
    else:
        body = _hidden(body, rng.randint(0, seconds_max))
    return replace(request, body=msgspec.json.encode(body))


def _hidden(message: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    return {**message, "DelaySeconds": max(seconds, message.get("DelaySeconds", 0))}


def sent_fields(call: Call) -> Mapping[str, Any]:
    """A request's fields as in AWS's JSON protocol, also where it is a form."""
    if not call.form:
        return call.body
    return {"Entries": [*map(_message_of_form, _form_entries(call.body))] or [call.body]}


def _message_of_form(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry, its attributes by their numbers: only how long they are matters here."""
    attributes = {
        name: {"": value} for name, value in entry.items() if name.startswith("MessageAttributes")
    }
    return {"Message": entry.get("Message"), "MessageAttributes": attributes}


def _form_entries(form: Mapping[str, str]) -> list[dict[str, Any]]:
    entries: dict[int, dict[str, Any]] = {}
    for name, value in form.items():
        if match := SNS_ENTRY.fullmatch(name):
            entries.setdefault(int(match[1]), {})[match[2]] = value
    return [entry for _, entry in sorted(entries.items())]


def _sns_partial(answer: Answer | None, ids: Sequence[str]) -> Answer:
    errors = "".join(
        "<member>"
        + xml("Id", id_)
        + xml("Code", ENTRY_ERROR)
        + xml("Message", _ENTRY_MESSAGE)
        + xml("SenderFault", "false")
        + "</member>"
        for id_ in ids
    )
    text = "" if answer is None else answer.body.decode()
    successful, failed = _inside(text, "Successful"), _inside(text, "Failed")
    result = f"<Successful>{successful}</Successful><Failed>{failed}{errors}</Failed>"
    body = document(
        "PublishBatchResponse",
        f"<PublishBatchResult>{result}</PublishBatchResult>"
        f"<ResponseMetadata>{xml('RequestId', str(uuid.uuid4()))}</ResponseMetadata>",
    )
    return answer_of(200, "text/xml", body)


def _inside(document: str, tag: str) -> str:
    """What is between `<tag>` and `</tag>`; nothing when it is missing or `<tag/>`."""
    _, _, rest = document.partition(f"<{tag}>")
    return rest.partition(f"</{tag}>")[0]

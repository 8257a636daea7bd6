"""The contracts in docs/contracts/ are sound, and the fakes keep them: every operation, every
answer, and the same idea of a good body."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.downstreams.exchange import Request, Response
from simulation.downstreams.fake import BODY_BYTES_MAX, COMMANDS, FakeDownstream
from tests.simulation.downstreams.builders import (
    DOWNSTREAM_OF,
    PATHS,
    UNDOES,
    answered,
    body_of,
    command,
    fake,
    key_of,
    lookup,
    post,
    set_faults,
)

CONTRACTS = Path(__file__).parents[3] / "docs" / "contracts"
DOWNSTREAMS = sorted(COMMANDS)
STEPS = sorted(DOWNSTREAM_OF)
#: A command of each step, and a lookup of what became of it.
OPERATIONS = [(step, method) for step in STEPS for method in ("post", "get")]
REFUSALS: Mapping[str, Mapping[str, object]] = {
    "reserve": {"refuse_skus": ["TEAPOT"]},
    "ship": {"refuse_rate": 1},
    "cancel_shipment": {"too_late": True},
    "post": {"refuse_rate": 1},
}
DOCUMENTS: Mapping[str, Any] = {
    name: msgspec.yaml.decode((CONTRACTS / f"{name}.yaml").read_text()) for name in DOWNSTREAMS
}


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_contract_is_valid_openapi(downstream: str) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(DOCUMENTS[downstream]).validate()


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_contract_has_the_operations_of_its_fake_and_no_other(downstream: str) -> None:
    paths = DOCUMENTS[downstream]["paths"]
    assert paths.keys() == COMMANDS[downstream].keys()
    assert {method for path in paths.values() for method in path} == {"post", "get"}


@pytest.mark.parametrize("step", STEPS)
def test_every_command_needs_an_idempotency_key(step: str) -> None:
    (resolved,) = parameters_of(step, "post")
    assert (resolved["name"], resolved["in"], resolved["required"]) == (
        "Idempotency-Key",
        "header",
        True,
    )
    assert faults(step, resolved["schema"], resolved["example"]) == []


@pytest.mark.parametrize("step", STEPS)
def test_the_lookup_in_the_contract_finds_the_command_in_the_contract(step: str) -> None:
    service = ready_for(step)
    example = request_of(step)["example"]
    if step in UNDOES:
        service(
            command(UNDOES[step], order_id=example["order_id"], customer_id=example["customer_id"])
        )
    done = send(service, step, example)
    for parameter in parameters_of(step, "get"):
        assert (parameter["in"], parameter["required"]) == ("query", True)
        assert faults(step, parameter["schema"], parameter["example"]) == []
    query = {parameter["name"]: parameter["example"] for parameter in parameters_of(step, "get")}
    found = answered(service(lookup(step, **query)))
    assert (found.status, found.document) == (200, done.document)


@pytest.mark.parametrize(("step", "method"), OPERATIONS)
def test_the_fake_gives_every_answer_of_the_contract_and_no_other(step: str, method: str) -> None:
    answers = EVERY_ANSWER[method](step)
    given_codes = {(answer.status, answer.document.get("code")) for answer in answers}
    assert given_codes == promised_codes(step, method)


@pytest.mark.parametrize(("step", "method"), OPERATIONS)
def test_every_answer_of_the_fake_fits_the_contract(step: str, method: str) -> None:
    for answer in EVERY_ANSWER[method](step):
        contract = answer_of(step, method, answer.status)
        (media_type,) = contract["content"]
        assert answer.media_type == media_type
        schema = contract["content"][media_type]["schema"]
        assert faults(step, schema, json.loads(answer.body)) == []
        for name, header in contract.get("headers", {}).items():
            assert faults(step, header["schema"], answer.headers[name.lower()]) == []


@pytest.mark.parametrize(("step", "method"), OPERATIONS)
def test_every_answer_in_the_contract_has_examples_that_fit_it(step: str, method: str) -> None:
    for status in operation_of(step, method)["responses"]:
        for content in answer_of(step, method, int(status))["content"].values():
            shown = list(examples(content))
            assert shown
            for example in shown:
                assert faults(step, content["schema"], example) == []


@pytest.mark.parametrize("step", STEPS)
def test_the_request_in_the_contract_is_one_that_the_fake_does(step: str) -> None:
    content = request_of(step)
    example = content["example"]
    service = fake(DOWNSTREAM_OF[step])
    if step in UNDOES:
        service(
            command(UNDOES[step], order_id=example["order_id"], customer_id=example["customer_id"])
        )
    assert faults(step, content["schema"], example) == []
    assert send(service, step, example).status == 201


@settings(max_examples=300)
@given(st.sampled_from(STEPS), st.data())
def test_contract_and_fake_agree_on_what_a_good_body_is(step: str, data: st.DataObject) -> None:
    body = body_of(step)
    for _ in range(data.draw(st.integers(0, 2), label="changes")):
        body = data.draw(changed(body), label="body")
    answer = send(fake(DOWNSTREAM_OF[step]), step, body)
    good = faults(step, request_of(step)["schema"], body) == []
    assert (answer.document.get("code") != "body_invalid") == good


# What the contract says.


def operation_of(step: str, method: str) -> Any:
    return DOCUMENTS[DOWNSTREAM_OF[step]]["paths"][PATHS[step]][method]


def parameters_of(step: str, method: str) -> list[Any]:
    return [resolve(step, parameter) for parameter in operation_of(step, method)["parameters"]]


def request_of(step: str) -> Any:
    return operation_of(step, "post")["requestBody"]["content"]["application/json"]


def answer_of(step: str, method: str, status: int) -> Any:
    return resolve(step, operation_of(step, method)["responses"][str(status)])


def promised_codes(step: str, method: str) -> set[tuple[int, str | None]]:
    promised: set[tuple[int, str | None]] = set()
    for status in operation_of(step, method)["responses"]:
        for content in answer_of(step, method, int(status))["content"].values():
            promised |= {(int(status), code) for code in codes(content["schema"])}
    return promised


def codes(schema: Any) -> list[str | None]:
    if "allOf" not in schema:
        return [None]
    code = schema["allOf"][-1]["properties"]["code"]
    return code["enum"] if "enum" in code else [code["const"]]


def examples(content: Any) -> Iterator[object]:
    if "example" in content:
        yield content["example"]
    for example in content.get("examples", {}).values():
        yield example["value"]


def resolve(step: str, node: Any) -> Any:
    if "$ref" not in node:
        return node
    target = DOCUMENTS[DOWNSTREAM_OF[step]]
    for name in node["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return target


def faults(step: str, schema: Any, document: object) -> list[str]:
    """What a JSON Schema validator holds against a document. Components beside the schema, so that
    its references find them."""
    from jsonschema import Draft202012Validator

    components = DOCUMENTS[DOWNSTREAM_OF[step]]["components"]
    validator = Draft202012Validator({**schema, "components": components})
    return [error.message for error in validator.iter_errors(document)]


# What the fake does.


def every_answer_to_a_command(step: str) -> list[Response]:
    key = {"idempotency-key": "key"}
    path = PATHS[step]
    ready = ready_for(step)
    answers = [
        ready(command(step)),
        ready(command(step, key=key_of(step), customer_id="another")),
        ready(post(path, b"{}", {})),
        ready(post(path, b"{}", {"idempotency-key": ""})),
        ready(post(path, b"{", key)),
        ready(post(path, b"{}", key)),
        ready(post(path, b" " * (BODY_BYTES_MAX + 1), key)),
        ready(Request("POST", path)),
        ready_for(step, error_rate=1)(command(step)),
        ready_for(step, outage=True)(command(step)),
    ]
    if step in REFUSALS:
        answers.append(ready_for(step, **REFUSALS[step])(command(step)))
    if step in UNDOES:
        answers.append(fake(DOWNSTREAM_OF[step])(command(step)))
    if step == "post":
        answers.append(ready(command(step, key="other", total=1)))
    if step in ("post", "refund"):
        answers.append(ready(command(step, key="unpaid", payment_reference=None)))
    return [answered(answer) for answer in answers]


def every_answer_to_a_lookup(step: str) -> list[Response]:
    ready = ready_for(step)
    answers = [
        ready(lookup(step)),
        ready(lookup(step, order_id="none")),
        ready(Request("GET", PATHS[step])),
        ready_for(step, error_rate=1)(lookup(step)),
        ready_for(step, outage=True)(lookup(step)),
        after_command(step)(lookup(step)),
    ]
    if step in REFUSALS:
        answers.append(after_command(step, **REFUSALS[step])(lookup(step)))
    return [answered(answer) for answer in answers]


#: All that a fake can say to one step, by method.
EVERY_ANSWER: Mapping[str, Callable[[str], list[Response]]] = {
    "post": every_answer_to_a_command,
    "get": every_answer_to_a_lookup,
}


def after_command(step: str, **fault_settings: object) -> FakeDownstream:
    """A fake that has done the step, with these fault settings on."""
    service = ready_for(step, **fault_settings)
    service(command(step))
    return service


def ready_for(step: str, **fault_settings: object) -> FakeDownstream:
    """A fake for which the step makes sense, with these fault settings on."""
    service = fake(DOWNSTREAM_OF[step])
    if step in UNDOES:
        service(command(UNDOES[step]))
    set_faults(service, **fault_settings)
    return service


def send(service: FakeDownstream, step: str, body: object) -> Response:
    encoded = json.dumps(body).encode()
    return answered(service(post(PATHS[step], encoded, {"idempotency-key": "key"})))


# Bodies that are nearly right.

#: At and just over the contract's bounds, and of every JSON type. No float with a whole value: JSON
#: Schema takes 1.0 for an integer, the fake does not, and Spillway never sends one.
VALUES: list[object] = [
    None,
    True,
    0.5,
    *(-1, 0, 1, 1_000_000, 1_000_001, 100_000_000, 100_000_001, 10**12, 10**12 + 1, 2**70),
    *("", "G", "GB", "gb", "GBP", "GBPX", "GBP\n", "retail", "wholesale", "market"),
    *(dead_letter * length for dead_letter in "aé🫖" for length in (64, 65, 200, 201, 256, 257)),
    "01933F2E-8A00-7000-8000-000000000001",
    "01933f2e8a0070008000000000000001",
    [],
    {},
]
LENGTHS = [0, 1, 5, 6, 50, 51, 2000, 2001]


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        yield (*path, name)
        if isinstance(child, dict | list):
            yield from places(child, (*path, name))


@st.composite
def changed(draw: st.DrawFn, body: dict[str, object]) -> dict[str, object]:
    """The body with one value replaced, taken away, added or repeated."""
    result = copy.deepcopy(body)
    path = draw(st.sampled_from(list(places(result))))
    parent: Any = result
    for name in path[:-1]:
        parent = parent[name]
    name = path[-1]
    change = draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
    if change == "replace":
        parent[name] = draw(st.sampled_from(VALUES) | st.text(max_size=3) | st.integers())
    elif change == "remove":
        del parent[name]
    elif change == "add" and isinstance(parent, dict):
        parent["unexpected"] = 1
    elif isinstance(parent[name], list):
        parent[name] = parent[name][:1] * draw(st.sampled_from(LENGTHS))
    return result

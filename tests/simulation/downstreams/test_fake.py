"""What a downstream does with a command, on both ledgers."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.downstreams.exchange import Request
from simulation.downstreams.fake import BODY_BYTES_MAX
from simulation.downstreams.ledger import (
    Entry,
    Ledger,
    LedgerUnavailableError,
    MemoryLedger,
)
from tests.simulation.downstreams.builders import (
    API_KEY,
    CUSTOMER,
    DOWNSTREAM_OF,
    ORDER,
    PATHS,
    UNDOES,
    Clock,
    answered,
    body_of,
    command,
    fake,
    key_of,
    lookup,
    post,
    set_faults,
)

OTHER_ORDER = "01933f2e-8a00-7000-8000-000000000002"
STEPS = sorted(DOWNSTREAM_OF)


@pytest.mark.parametrize("step", STEPS)
def test_a_command_has_one_effect_and_one_answer_however_often_it_is_sent(
    ledger: Ledger, step: str
) -> None:
    service = fake(DOWNSTREAM_OF[step], ledger)
    if step in UNDOES:
        service(command(UNDOES[step]))
    answers = [answered(service(command(step))) for _ in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 201]
    entries = [entry for entry in ledger.entries(CUSTOMER, ORDER) if entry.step == step]
    assert [answer.document for answer in answers] == [{"reference": entries[0].reference}] * 3
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("step", "totals"),
    [
        ("reserve", (7, None, None)),
        ("ship", (7, None, None)),
        ("post", (None, 3115, "GBP")),
        ("refund", (None, 3115, "GBP")),
    ],
)
def test_an_entry_says_what_an_audit_asks(
    ledger: Ledger, step: str, totals: tuple[int | None, int | None, str | None]
) -> None:
    clock = Clock()
    fake(DOWNSTREAM_OF[step], ledger, now_ms=clock)(command(step))
    (entry,) = ledger.all_entries()
    assert (entry.customer_id, entry.order_id, entry.step) == (CUSTOMER, ORDER, step)
    assert (entry.idempotency_key, entry.outcome, entry.at) == (key_of(step), "done", clock.now_ms)
    assert (entry.units, entry.amount, entry.currency) == totals


def test_a_refusal_is_on_record_and_stands_when_the_reason_is_gone(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    set_faults(service, refuse_skus=["TEAPOT"])
    first = answered(service(command("reserve")))
    set_faults(service)
    assert answered(service(command("reserve"))) == first
    assert (first.status, first.document["code"]) == (409, "out_of_stock")
    (entry,) = ledger.all_entries()
    assert (entry.outcome, entry.code, entry.reference) == (
        "refused",
        "out_of_stock",
        first.document["reference"],
    )


def test_another_key_for_the_same_order_and_step_is_a_second_effect_and_can_be_seen(
    ledger: Ledger,
) -> None:
    service = fake("inventory", ledger)
    references = {
        str(answered(service(command("reserve", key=key))).document["reference"])
        for key in ("first", "second")
    }
    assert {entry.reference for entry in ledger.entries(CUSTOMER, ORDER)} == references
    assert len(references) == 2


@pytest.mark.parametrize(
    "second",
    [
        command("reserve", key="shared", lines=[{"sku": "TEAPOT", "quantity": 3}]),
        command("reserve", key="shared", order_id=OTHER_ORDER),
        command("reserve", key="shared", customer_id="another"),
        command("release", key="shared"),
    ],
    ids=["other lines", "other order", "other customer", "other step"],
)
def test_a_key_that_came_with_another_request_breaks_the_contract(
    ledger: Ledger, second: Request
) -> None:
    service = fake("inventory", ledger)
    service(command("reserve", key="shared"))
    answer = answered(service(second))
    assert (answer.status, answer.document["code"]) == (422, "idempotency_key_reused")
    assert len(ledger.all_entries()) == 1


def test_a_key_is_not_shared_by_two_steps_whose_bodies_are_alike(ledger: Ledger) -> None:
    service = fake("fulfilment", ledger)
    service(command("ship"))
    service(command("cancel_shipment", key="shared"))
    answer = answered(service(command("recall_shipment", key="shared")))
    assert (answer.status, answer.document["code"]) == (422, "idempotency_key_reused")


def test_a_body_that_is_spelt_otherwise_and_says_the_same_is_the_same(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    body = body_of("reserve")
    spelt = [
        json.dumps(body).encode(),
        json.dumps(dict(reversed(body.items())), indent=2).encode(),
    ]
    answers = [
        answered(service(post("/reservations", text, {"idempotency-key": "key"}))) for text in spelt
    ]
    assert answers[0] == answers[1]
    assert answers[0].status == 201


@pytest.mark.parametrize("step", sorted(UNDOES))
def test_undoing_what_was_never_done_breaks_the_contract(ledger: Ledger, step: str) -> None:
    answer = answered(fake(DOWNSTREAM_OF[step], ledger)(command(step)))
    assert (answer.status, answer.document["code"]) == (422, f"nothing_to_{step}")
    assert ledger.all_entries() == []


@pytest.mark.parametrize("step", sorted(UNDOES))
def test_undoing_what_was_refused_breaks_the_contract(ledger: Ledger, step: str) -> None:
    service = fake(DOWNSTREAM_OF[step], ledger)
    set_faults(service, refuse_rate=1)
    service(command(UNDOES[step]))
    set_faults(service)
    assert answered(service(command(step))).document["code"] == f"nothing_to_{step}"


def test_an_undoing_that_came_too_early_is_done_under_the_same_key_when_its_time_has_come(
    ledger: Ledger,
) -> None:
    service = fake("inventory", ledger)
    assert answered(service(command("release"))).status == 422
    service(command("reserve"))
    assert answered(service(command("release"))).status == 201


def test_a_refund_needs_no_posting(ledger: Ledger) -> None:
    assert answered(fake("accounting", ledger)(command("refund"))).status == 201


def test_twenty_at_once_under_one_key_have_one_effect_and_one_answer(ledger: Ledger) -> None:
    service = fake("fulfilment", ledger)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(service, [command("ship")] * 20))
    (entry,) = ledger.all_entries()
    assert {(answered(answer).status, answered(answer).body) for answer in answers} == {
        (201, json.dumps({"reference": entry.reference}, separators=(",", ":")).encode())
    }


def test_books_that_do_not_add_up_are_not_kept(ledger: Ledger) -> None:
    answer = answered(fake("accounting", ledger)(command("post", total=3116)))
    assert (answer.status, answer.document["code"]) == (422, "total_wrong")
    assert ledger.all_entries() == []


FREE: dict[str, dict[str, Any]] = {
    "post": {"total": 0, "discounts": [{"coupon": "ALL", "amount": 3000}], "shipping": 0, "tax": 0},
    "refund": {"amount": 0},
}


@pytest.mark.parametrize("step", ["post", "refund"])
def test_what_cost_nothing_has_no_payment_and_all_else_has_one(ledger: Ledger, step: str) -> None:
    service = fake("accounting", ledger)
    wrongs: list[dict[str, Any]] = [{"payment_reference": None}, FREE[step]]
    for wrong in wrongs:
        answer = answered(service(command(step, **wrong)))
        assert (answer.status, answer.document["code"]) == (422, "payment_wrong")
    assert ledger.all_entries() == []
    done = answered(service(command(step, key="free", payment_reference=None, **FREE[step])))
    (entry,) = ledger.all_entries()
    assert (done.status, entry.amount, entry.currency) == (201, 0, "GBP")


@pytest.mark.parametrize("step", STEPS)
def test_a_lookup_finds_what_was_done_and_nothing_before(ledger: Ledger, step: str) -> None:
    service = fake(DOWNSTREAM_OF[step], ledger)
    if step in UNDOES:
        service(command(UNDOES[step]))
    nothing = answered(service(lookup(step)))
    assert (nothing.status, nothing.document["code"]) == (404, "nothing_on_record")
    done = answered(service(command(step)))
    found = answered(service(lookup(step)))
    assert (found.status, found.document) == (200, done.document)


def test_a_lookup_finds_what_was_refused(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    set_faults(service, refuse_skus=["TEAPOT"])
    refused = answered(service(command("reserve")))
    assert refused.status == 409
    assert answered(service(lookup("reserve"))) == refused


def test_a_lookup_finds_what_was_done_also_after_it_was_undone(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    reserved = answered(service(command("reserve")))
    service(command("release"))
    assert answered(service(lookup("reserve"))).document == reserved.document


def test_a_lookup_finds_no_other_order_s_and_no_other_customer_s(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    service(command("reserve"))
    assert answered(service(lookup("reserve", order_id=OTHER_ORDER))).status == 404
    assert answered(service(lookup("reserve", customer_id="another"))).status == 404


def test_a_lookup_changes_nothing(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    service(lookup("reserve"))
    assert ledger.all_entries() == []
    assert answered(service(command("reserve"))).status == 201


def test_without_keys_each_command_is_an_effect_of_its_own(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    set_faults(service, idempotency_keys=False)
    references = {
        str(answered(service(request)).document["reference"])
        for request in (command("reserve"), command("reserve"), keyless("reserve"))
    }
    assert len(references) == 3
    assert {entry.reference for entry in ledger.entries(CUSTOMER, ORDER)} == references


def test_without_keys_twenty_at_once_have_twenty_effects(ledger: Ledger) -> None:
    service = fake("inventory", ledger)
    set_faults(service, idempotency_keys=False)
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(service, [command("reserve")] * 20))
    assert len(ledger.entries(CUSTOMER, ORDER)) == 20


def test_without_keys_a_lookup_finds_the_first_effect(ledger: Ledger) -> None:
    clock = Clock()
    service = fake("inventory", ledger, now_ms=clock)
    set_faults(service, idempotency_keys=False)
    first = answered(service(keyless("reserve")))
    clock.now_ms += 1
    service(keyless("reserve"))
    assert answered(service(lookup("reserve"))).document == first.document


def test_without_keys_an_effect_after_a_refusal_is_what_a_lookup_finds(ledger: Ledger) -> None:
    clock = Clock()
    service = fake("inventory", ledger, now_ms=clock)
    set_faults(service, idempotency_keys=False, refuse_skus=["TEAPOT"])
    assert answered(service(keyless("reserve"))).status == 409
    clock.now_ms += 1
    set_faults(service, idempotency_keys=False)
    done = answered(service(keyless("reserve")))
    found = answered(service(lookup("reserve")))
    assert (found.status, found.document) == (200, done.document)


def keyless(step: str) -> Request:
    return post(PATHS[step], json.dumps(body_of(step)).encode(), {})


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (Request("PUT", "/reservations", {"x-api-key": API_KEY}), 405, "method_not_allowed"),
        (Request("POST", "/health"), 405, "method_not_allowed"),
        (Request("DELETE", "/fault-settings"), 405, "method_not_allowed"),
        (post("/shipments", b"{}", {"idempotency-key": "key"}), 404, "path_unknown"),
        (post("/", b"{}", {"idempotency-key": "key"}), 404, "path_unknown"),
        (Request("POST", "/reservations"), 401, "api_key_wrong"),
        (Request("POST", "/reservations", {"x-api-key": "guess"}), 401, "api_key_wrong"),
        (Request("POST", "/reservations", {"x-api-key": "clé"}), 401, "api_key_wrong"),
        (post("/reservations", b"{}", {}), 400, "idempotency_key_missing"),
        (
            post("/reservations", b"{}", {"idempotency-key": "k" * 256}),
            400,
            "idempotency_key_invalid",
        ),
        (post("/reservations", b"{}", {"idempotency-key": "a b"}), 400, "idempotency_key_invalid"),
        (post("/reservations", b"{", {"idempotency-key": "key"}), 400, "body_malformed"),
        (post("/reservations", b"", {"idempotency-key": "key"}), 400, "body_malformed"),
        (post("/reservations", b"{}", {"idempotency-key": "key"}), 422, "body_invalid"),
        (command("reserve", note="please"), 422, "body_invalid"),
        (command("reserve", key="key", order_id=ORDER + "\n"), 422, "body_invalid"),
        (Request("GET", "/reservations"), 401, "api_key_wrong"),
        (Request("GET", "/reservations", {"x-api-key": API_KEY}), 422, "query_invalid"),
        (lookup("reserve", customer_id=""), 422, "query_invalid"),
        (lookup("reserve", order_id=ORDER.upper()), 422, "query_invalid"),
        (lookup("reserve", note="please"), 422, "query_invalid"),
        (lookup("ship"), 404, "path_unknown"),
        (
            post("/reservations", b" " * (BODY_BYTES_MAX + 1), {"idempotency-key": "key"}),
            413,
            "body_too_large",
        ),
    ],
)
def test_a_request_that_is_none_is_told_why_and_does_nothing(
    request_: Request, status: int, code: str
) -> None:
    ledger = MemoryLedger()
    answer = answered(fake("inventory", ledger)(request_))
    assert (answer.status, answer.document["code"]) == (status, code)
    assert answer.media_type == "application/problem+json"
    assert ledger.all_entries() == []


def test_health_needs_no_key() -> None:
    answer = answered(fake("inventory")(Request("GET", "/health")))
    assert (answer.status, answer.document) == (200, {"status": "healthy"})


class LedgerThatDiesAtFirst(MemoryLedger):
    """Loses its first record, as a process would that is killed before the write."""

    def __init__(self) -> None:
        super().__init__()
        self.died = False

    def record(self, entry: Entry, fingerprint: str) -> Entry:
        if not self.died:
            self.died = True
            raise LedgerUnavailableError("killed")
        return super().record(entry, fingerprint)


class LedgerThatIsAskedToRecordAlone(MemoryLedger):
    def claim(self, idempotency_key: str, fingerprint: str) -> None:
        raise AssertionError("a claim of its own")

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        raise AssertionError("a look at what came before")


@pytest.mark.parametrize("step", ["reserve", "ship", "post", "refund"])
def test_a_command_that_undoes_nothing_is_one_request_to_the_storage(step: str) -> None:
    ledger = LedgerThatIsAskedToRecordAlone()
    service = fake(DOWNSTREAM_OF[step], ledger)
    assert answered(service(command(step))).status == 201
    assert [entry.step for entry in ledger.all_entries()] == [step]


def test_a_storage_that_fails_is_an_unknown_outcome_that_the_retry_settles() -> None:
    ledger = LedgerThatDiesAtFirst()
    service = fake("inventory", ledger)
    unknown = answered(service(command("reserve")))
    assert (unknown.status, unknown.document["code"]) == (503, "unavailable")
    assert answered(service(command("reserve"))).status == 201
    assert len(ledger.entries(CUSTOMER, ORDER)) == 1


class LedgerThatCannotBeRead(MemoryLedger):
    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        raise LedgerUnavailableError("asleep")


def test_a_storage_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    service = fake("inventory", LedgerThatCannotBeRead())
    assert answered(service(lookup("reserve"))).status == 503


SENDINGS = st.tuples(
    st.sampled_from(["reserve", "release"]),
    st.sampled_from([ORDER, OTHER_ORDER]),
    st.sampled_from(["key-1", "key-2", "key-3"]),
    st.booleans(),  # the shelf is empty at the time
)


@settings(max_examples=200)
@given(st.lists(SENDINGS, max_size=12))
def test_whatever_is_sent_in_whatever_order_a_key_never_changes_its_answer(
    sendings: list[tuple[str, str, str, bool]],
) -> None:
    ledger = MemoryLedger()
    service = fake("inventory", ledger)
    answer_of: dict[tuple[str, str, str], object] = {}
    owner_of: dict[str, tuple[str, str]] = {}
    for step, order_id, key, empty in sendings:
        set_faults(service, refuse_skus=["TEAPOT"] if empty else [])
        answer = answered(service(command(step, order_id=order_id, key=key)))
        owner = owner_of.setdefault(key, (step, order_id))
        if owner != (step, order_id):
            assert answer.document["code"] == "idempotency_key_reused"
        elif answer.status in (201, 409):
            assert answer_of.setdefault((step, order_id, key), answer) == answer
        else:
            assert answer.document["code"] == "nothing_to_release"
    assert len(ledger.all_entries()) == len(answer_of)

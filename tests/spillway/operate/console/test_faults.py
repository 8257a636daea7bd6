"""The form of fault settings, to and from the fakes' own."""

from __future__ import annotations

import pytest

from simulation.downstreams.fault_settings import FaultSettings
from spillway.errors import SpillwayError
from spillway.operate.console.faults import fault_labels, fault_settings_of


def test_what_a_form_leaves_out_is_what_the_fakes_call_at_rest() -> None:
    off, document = fault_settings_of({}), FaultSettings().document()
    assert len(off) == 8
    assert {name: document[name] for name in off} == {**off, "refuse_skus": ()}


def test_a_form_is_read_as_people_write_it() -> None:
    wanted = fault_settings_of(
        {
            "outage": "on",
            "wrong_key": "on",
            "latency_ms": " 250 ",
            "error_rate": "5",
            "lose_answers_rate": "100",
            "refuse_skus": "85123A, 71053  ",
            "too_late": "on",
        }
    )
    assert wanted == {
        "outage": True,
        "misconfigured": "wrong_key",
        "latency_ms": 250,
        "error_rate": 0.05,
        "lose_answers_rate": 1.0,
        "refuse_rate": 0.0,
        "refuse_skus": ["85123A", "71053"],
        "too_late": True,
    }


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("latency_ms", "60001", "Latency: a whole number from 0 to 60,000, not 60001."),
        ("error_rate", "-1", "Error: a whole number from 0 to 100, not -1."),
        ("refuse_rate", "lots", "Refuse: a whole number from 0 to 100, not lots."),
    ],
)
def test_what_no_fault_setting_can_be_set_to_is_refused_in_a_sentence(
    field: str, text: str, sentence: str
) -> None:
    with pytest.raises(SpillwayError) as refusal:
        fault_settings_of({field: text})
    assert str(refusal.value) == sentence


def test_at_most_a_thousand_shelves_are_empty() -> None:
    with pytest.raises(SpillwayError):
        fault_settings_of({"refuse_skus": "A " * 1_001})


def test_faults_are_described_in_words() -> None:
    at_rest = FaultSettings().document()
    assert fault_labels(at_rest) == []
    broken = at_rest | {"outage": True, "error_rate": 0.25, "refuse_skus": ["A", "B"]}
    assert fault_labels(broken) == ["25% errors", "outage", "2 empty shelves"]
    assert fault_labels(at_rest | {"misconfigured": "wrong_key"}) == ["misconfigured (wrong key)"]


def test_every_fault_setting_has_a_label() -> None:
    at_rest = FaultSettings().document()
    changed: dict[str, object] = {
        name: 1 if value in (0, None) else not value for name, value in at_rest.items()
    }
    changed |= {"refuse_skus": ["A"], "misconfigured": "page"}
    assert len(fault_labels(changed)) == len(at_rest)

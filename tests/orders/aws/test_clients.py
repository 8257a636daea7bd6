"""Who calls is said in every request."""

from __future__ import annotations

import pytest

from orders.aws import clients


@pytest.fixture(autouse=True)
def no_session_of_another_test() -> None:
    clients.session.cache_clear()


@pytest.mark.parametrize(("name", "said"), [("relay", " app/relay"), ("", "")])
def test_a_call_says_which_function_makes_it(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", name)
    agent = clients.user_agent()
    assert agent.startswith("Botocore/1.")
    assert agent.partition(" ")[2] == said.strip()

"""The console of the shared stack, served in this process, and a real Chromium before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from spillway.operate.console.serving import application
from spillway.operate.console.state import AppState, state_of
from spillway.run.stack import Stack
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.serving import serving, uvicorn_config
from spillway.target.service import on_this_machine

#: Quicker than for people, who need not wait for every look. Looks twice as often took a tenth of
#: the file's processor time.
PAUSE_SECONDS = 1.0
#: What browsers log by themselves of an answer of 400 and above, or of no connection.
_NETWORK = ("Failed to load resource", "Firefox can’t establish a connection")  # noqa: RUF001


@dataclass(frozen=True)
class Console:
    """Where it is served, and what its pages share."""

    origin: str
    state: AppState


@pytest.fixture(scope="package")
def console(stack: Stack) -> Iterator[Console]:
    state = state_of(on_this_machine(stack.port), stack, PAUSE_SECONDS)
    listener = listen(0)
    port = port_of(listener)
    served = application(state, port=port)
    with serving(uvicorn_config(served, lifespan="off"), listener):
        yield Console(f"http://127.0.0.1:{port}", state)


@pytest.fixture
def page(console: Console, browser: Browser) -> Iterator[Page]:
    """A page that must not complain of anything: no error of a script, nothing that the content
    security policy stopped."""
    context = browser.new_context(
        base_url=console.origin, locale="en-GB", viewport={"width": 1280, "height": 900}
    )
    complaints: list[str] = []

    def complain(text: str) -> None:
        if not text.startswith(_NETWORK):
            complaints.append(text)

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complain(message.text)

    opened = context.new_page()
    opened.set_default_timeout(120_000)
    opened.on("console", note)
    opened.on("pageerror", lambda error: complain(str(error)))
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Other tests want the downstreams well and these queues empty."""
    yield
    if "stack" not in request.fixturenames:
        return
    stack: Stack = request.getfixturevalue("stack")
    for downstream in stack.downstreams:
        stack.set_fault_settings(downstream, outage=False, latency_ms=0)
    for name, url in stack.queues.items():
        if name.endswith("dead_letter"):
            stack.client("sqs").purge_queue(QueueUrl=url)

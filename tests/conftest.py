"""What every kind of test shares: one deployed stack for all tests on the emulator."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tests.guard import sitecustomize as guard
from tests.needs import NEEDS, needs_of, starts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

    from spillway.run.stack import Stack
    from tests.e2e.shop import Customer

# Each Python that a test starts has the same guard as this one.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(guard.__file__).parent), os.environ.get("PYTHONPATH")))
)
os.environ[guard.ALLOWED] = ""

# Hypothesis would fail a case that takes 0.2 s, which on a busy machine any may.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

#: By name: its programs, and the package that brings one. Chromium's first has no windows to draw,
#: and takes a third of the time.
_BROWSERS = {
    "chromium": (
        ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"),
        "chromium-headless-shell",
    ),
    "firefox": (("firefox-esr", "firefox"), "firefox-esr"),
}

# A shell that puts a command into the background has it ignore Ctrl+C, and a command hands that on
# to all that it starts. Tests that press Ctrl+C must not depend on who started them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
@starts("emulator")
def own_stacks() -> None:
    """For tests that start and end emulators or whole stacks themselves."""


@pytest.fixture(scope="session")
@starts("cdk")
def cdk_library() -> None:
    """For tests that use the CDK: they import its library, and what needs it, themselves, because
    the import starts Node."""


@pytest.fixture(scope="session")
@starts("emulator")
def stack() -> Iterator[Stack]:
    """The service as it is deployed, shared by all tests of the run: each makes its own orders.

    While writing tests, ``SPILLWAY_STACK=8080 pytest ...`` uses the stack that `spillway up` runs
    on that port and saves starting one.
    """
    from spillway.run.stack import attach, running

    port = os.environ.get("SPILLWAY_STACK")
    if port is not None:
        yield attach(int(port))
        return
    with running() as started:
        yield started
        # Whatever the tests had the functions do, their own permissions were enough for it.
        assert started.proxy.denied() == []


@pytest.fixture(scope="session")
@starts("emulator")
def expendable_stack() -> Iterator[Stack]:
    """One without other users, whose orders would be measured too when they are retried. The last
    test that uses it kills it."""
    from spillway.run.stack import running

    with running() as started:
        yield started


@pytest.fixture(scope="session")
def shopper(stack: Stack) -> Customer:
    return _customer(stack, "shopper")


@pytest.fixture(scope="session")
def other(stack: Stack) -> Customer:
    return _customer(stack, "other")


@pytest.fixture(scope="session")
def wholesale(stack: Stack) -> Customer:
    return _customer(stack, "wholesale")


def _customer(stack: Stack, user: str) -> Customer:
    from tests.e2e.shop import Customer

    return Customer(stack, user)


def started_browsers() -> Iterator[Callable[[str], Browser]]:
    """Real headless browsers by name, each started when first asked for. Not for the session: while
    Playwright runs, its event loop is the thread's, and no other test can start one."""
    from playwright.sync_api import expect, sync_playwright

    from tests.waiting import PATIENCE_SECONDS

    # Playwright's own 5 s are less than a busy machine may need.
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        started: dict[str, Browser] = {}

        def get(name: str) -> Browser:
            if name not in started:
                started[name] = _launch(playwright, name)
            return started[name]

        yield get
        for browser in started.values():
            browser.close()


@pytest.fixture(scope="module")
@starts("browser")
def browsers() -> Iterator[Callable[[str], Browser]]:
    yield from started_browsers()


@pytest.fixture
def browser(browsers: Callable[[str], Browser], request: pytest.FixtureRequest) -> Browser:
    """The one that the test is run in: see `pytest_generate_tests`."""
    return browsers(getattr(request, "param", "chromium"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test on a browser runs in Chromium, and once more in Firefox: each time if it is marked
    `every_browser`, else each night, and never if it is marked `chromium_only`."""
    marked = metafunc.definition.get_closest_marker
    if "browser" not in metafunc.fixturenames or marked("chromium_only"):
        return
    chromium = pytest.param("chromium", id=pytest.HIDDEN_PARAM)
    firefox = pytest.param("firefox", marks=() if marked("every_browser") else pytest.mark.slow)
    metafunc.parametrize("browser", [chromium, firefox], indirect=True)


def _launch(playwright: Playwright, name: str) -> Browser:
    """Debian's own, for which Playwright has no builds of its own: Firefox over WebDriver BiDi."""
    programs, package = _BROWSERS[name]
    path = next((found for program in programs if (found := shutil.which(program))), None)
    if path is None:
        pytest.fail(f"These tests need {name.capitalize()}: `apt install {package}`.")
    if name == "firefox":
        return playwright.firefox.launch(executable_path=path, channel="moz-firefox")
    # No sandbox: a container's root cannot have one, and nothing but our own pages is opened.
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays until the end: it isn't searched for garbage, then or later. And what
    the tests make is searched seldom, which saves a fifteenth of their time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test is marked by what it needs, and has an id of its own: of those that share one,
    which schemathesis makes for an API's operations, xdist would run a single one."""
    for item in items:
        for need in sorted(set(needs_of(item))):
            item.add_marker(need)
        if item.parent is not None and not item.nodeid.endswith(item.name):
            item._id = item.parent.id.child(item.name)  # noqa: SLF001
    assert len({item.nodeid for item in items}) == len(items)
    # jsonschema brings it. It compiles grammars for 2 s, in each process that collects the tests:
    # those that need it import it themselves.
    assert "rfc3987_syntax" not in sys.modules
    _longest_first(items)


#: It waits for most of a minute or more, and leaves the processor to others.
_WAITS = "tests/e2e/test_under_faults.py"
#: It takes the processor for a minute, and shares templates that take a quarter to synthesise.
_COMPUTES = "tests/infra/"
#: They take the processor for seconds: last, one process would wait for another one's.
_LONG = (
    "tests/spillway/prove/simulate/test_schedules.py",
    "tests/spillway/test_cli.py",
    "tests/web/test_modules.py",
)


def _longest_first(items: list[pytest.Item]) -> None:
    """Files that need a browser or a stack go first: they take minutes, and the processes that run
    tests side by side would wait for the last of them. What waits runs beside what computes, which
    also has the second core while all who need a stack wait for the first one's templates."""
    rank: dict[Path, int] = {}
    for item in items:
        needed = (NEEDS.index(need) for need in NEEDS if item.get_closest_marker(need))
        rank[item.path] = min(rank.get(item.path, len(NEEDS)), *needed, len(NEEDS))

    def place(item: pytest.Item) -> tuple[bool, bool, int, bool]:
        names = ((_WAITS,), (_COMPUTES,), _LONG)
        waits, computes, long = (item.nodeid.startswith(some) for some in names)
        return not waits, not computes, rank[item.path], not long

    items.sort(key=place)


#: How the ids of the shop's tests begin, and end where they run in Firefox, which starts for 4 s.
_SHOP, _IN_FIREFOX = "tests/web/", "[firefox]"
#: How the ids of tests begin that import jsonschema, which takes 2 s.
_SCHEMAS = (
    "tests/docs/",
    "tests/orders/downstream/test_examples.py",
    "tests/simulation/downstreams/test_fake_contracts.py",
)

#: How the ids of tests begin that share the expendable stack, in the order in which they use it.
_EXPEND = ("tests/spillway/plan/cost/test_meter.py", "tests/spillway/run/stack/test_stack.py")


class _ByFile(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """One process runs a file's tests, and those of files that share what takes long to make."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_SHOP) and nodeid.endswith(_IN_FIREFOX):
            return _SHOP + _IN_FIREFOX
        for together in ((_COMPUTES,), _SCHEMAS, _EXPEND):
            if nodeid.startswith(together):
                return together[0]
        return str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """While a test runs, with the fixtures that it starts and ends, the guard knows its marks."""
    os.environ[guard.ALLOWED] = ",".join(need for need in NEEDS if item.get_closest_marker(need))
    try:
        return (yield)
    finally:
        os.environ[guard.ALLOWED] = ""

"""A whole stack, on the real emulator: what it offers, and how it ends."""

import base64
import html
import json
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from spillway.errors import SpillwayError
from spillway.run.stack import Stack, attach, running
from spillway.run.stack.folder import StackFolder
from spillway.run.stack.ports import listen
from spillway.run.stack.processes import children
from spillway.run.stack.users import COMPANY, PURCHASE_LIMIT, USERS

pytestmark = [pytest.mark.usefixtures("own_stacks"), pytest.mark.timeout(600)]

_needs_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks into /proc")


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


def _family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    return {pid}.union(*(_family(child) for child in children(pid)))


def _wait_until(condition: Callable[[], bool]) -> None:
    """Ends: every test here has a timeout."""
    while not condition():
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _listeners(pids: set[int]) -> Iterator[tuple[str, int]]:
    """Every listening TCP socket of the processes: address as /proc has it (hex), and port."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                yield address, int(port, 16)


def _get(stack: Stack, path: str, user: str | None = None) -> httpx.Response:
    headers = {} if user is None else {"authorization": f"Bearer {stack.token(user)}"}
    return httpx.get(stack.origin + path, headers=headers, trust_env=False, timeout=30)


class TestWhatAStackOffers:
    def test_its_tables_and_queues_are_the_deployed_ones(self, stack: Stack) -> None:
        assert set(stack.client("dynamodb").list_tables()["TableNames"]) == {*stack.tables.values()}
        # By the stage's prefix: other tests listen to events on queues of their own.
        sqs = stack.client("sqs")
        deployed = set(sqs.list_queues(QueueNamePrefix="spillway-local-")["QueueUrls"])
        assert deployed == {*stack.queues.values()}

    def test_a_token_is_the_users_own_and_carries_the_group(self, stack: Stack) -> None:
        claims = {user: _claims(stack.token(user)) for user in ("shopper", "other", "wholesale")}
        assert len({claim["sub"] for claim in claims.values()}) == 3
        assert claims["wholesale"]["cognito:groups"] == ["wholesale"]
        assert "cognito:groups" not in claims["shopper"]
        assert claims["shopper"]["exp"] - time.time() > 3_000
        buyer, approver = (_claims(stack.token(user)) for user in ("buyer", "approver"))
        assert buyer["company_id"] == approver["company_id"] == COMPANY
        assert buyer["purchase_limit"] == str(PURCHASE_LIMIT)
        assert claims["wholesale"]["company_id"] == claims["wholesale"]["sub"]

    def test_the_api_needs_a_token(self, stack: Stack) -> None:
        assert _get(stack, "/api/orders").status_code == 401
        forged = stack.token("shopper")[:-6] + "AAAAAA"
        answer = httpx.get(f"{stack.api}/orders", headers={"authorization": f"Bearer {forged}"})
        assert answer.status_code == 401
        assert _get(stack, "/api/orders", "shopper").status_code == 200

    def test_the_stacks_own_page_is_the_consoles_and_says_how_to_sign_in(
        self, stack: Stack
    ) -> None:
        page = httpx.get(f"{stack.origin}/_local", follow_redirects=True)
        assert page.url == f"{stack.console}/stack"
        assert all(stack.password(user) in page.text for user in USERS)
        first = re.findall(r"<pre[^>]*>(.*?)</pre>", page.text, re.S)[0]
        assert "spillway token --as shopper --port" in html.unescape(first)

    def test_fault_settings_change_one_downstream_and_only_what_is_named(
        self, stack: Stack
    ) -> None:
        before = stack.fault_settings("accounting")
        try:
            changed = stack.set_fault_settings("accounting", latency_ms=7)
            assert changed == {**before, "latency_ms": 7}
            assert stack.fault_settings("inventory")["latency_ms"] == 0
        finally:
            stack.set_fault_settings("accounting", **before)

    def test_a_fault_setting_that_does_not_exist_is_refused(self, stack: Stack) -> None:
        with pytest.raises(SpillwayError, match="fault settings of inventory were refused"):
            stack.set_fault_settings("inventory", gravity=1)

    def test_the_error_for_an_unknown_user_names_the_users(self, stack: Stack) -> None:
        with pytest.raises(SpillwayError, match="shopper, other, wholesale"):
            stack.token("admin")

    @_needs_proc
    def test_functions_run_in_worker_processes_of_the_emulator(self, stack: Stack) -> None:
        _get(stack, "/api/orders", "shopper")
        workers = stack.worker_pids()
        assert workers
        assert set(workers) <= _family(stack.emulator_pid)

    @_needs_proc
    def test_nothing_listens_beyond_this_machine(self, stack: Stack) -> None:
        listeners = list(_listeners(_family(stack.pid)))
        own = [stack.origin, stack.console, stack.emulator, stack.proxy.url]
        urls = [*own, *stack.downstreams.values()]
        assert {port for _, port in listeners} == {httpx.URL(url).port for url in urls}
        assert {address for address, _ in listeners} == {"0100007F"}  # 127.0.0.1, reversed

    def test_everything_it_wrote_is_its_owners_only(self, stack: Stack) -> None:
        for path in (stack.state, *stack.state.rglob("*")):
            if not path.is_symlink():
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path

    def test_the_endpoints_for_scripts_hold_no_secret(self, stack: Stack) -> None:
        shown = json.dumps(stack.endpoints()) + repr(stack)
        published = json.loads((stack.state / "stack.json").read_text())["secrets"]
        hidden = [*published["passwords"].values(), *published["keys"]["api_keys"].values()]
        hidden += [published["keys"]["receipt"]["key"], published["proxy_token"]]
        assert not [secret for secret in hidden if secret in shown]


@_needs_proc
class TestHowAStackEnds:
    def test_a_second_stack_runs_beside_the_first_and_leaves_nothing(self, stack: Stack) -> None:
        with running() as second:
            family = _family(second.pid)
            assert len({stack.origin, second.origin, stack.emulator, second.emulator}) == 4
            mine = _claims(second.token("shopper"))
            assert mine["iss"] != _claims(stack.token("shopper"))["iss"]
            assert _get(second, "/api/orders", "shopper").status_code == 200
            _lose_the_proxy(second)

        _wait_until(lambda: not any(map(_is_alive, family)))
        assert not second.state.exists()
        assert _get(stack, "/api/orders", "shopper").status_code == 200

    def test_a_killed_supervisor_takes_every_process_with_it_and_makes_way(
        self, expendable_stack: Stack
    ) -> None:
        _kill_the_supervisor(expendable_stack)
        with listen(expendable_stack.port):
            assert StackFolder(expendable_stack.port).owner() is None

    @pytest.mark.slow
    def test_where_a_supervisor_was_killed_another_stack_starts(self) -> None:
        with running() as stack:
            _kill_the_supervisor(stack)
            with running(port=stack.port) as again:
                assert _get(again, "/api/orders", "shopper").status_code == 200

    @pytest.mark.slow
    def test_without_its_emulator_the_origin_says_what_is_missing(self) -> None:
        with running() as stack:
            token = stack.token("shopper")
            os.kill(stack.emulator_pid, signal.SIGKILL)
            _assert_emulator_missed(stack, token)


def _kill_the_supervisor(stack: Stack) -> None:
    _get(stack, "/api/orders", "shopper")  # so that there is a Lambda worker
    family = _family(stack.pid)
    assert stack.worker_pids()
    os.kill(stack.pid, signal.SIGKILL)
    _wait_until(lambda: not any(map(_is_alive, family)))
    with pytest.raises(SpillwayError, match="No stack runs on port"):
        attach(stack.port)


def _lose_the_proxy(stack: Stack) -> None:
    """Without its proxy a stack does not pass for healthy: the emulator ends too."""
    token = stack.token("shopper")
    [proxy_pid] = (
        pid for pid, command in children(stack.pid).items() if "-m spillway.run.proxy" in command
    )
    os.kill(proxy_pid, signal.SIGKILL)
    _assert_emulator_missed(stack, token)
    with pytest.raises(SpillwayError, match=r"fault-injection proxy .* does not answer"):
        stack.proxy.counts()
    assert "The proxy ended unexpectedly" in (stack.state / "supervisor.log").read_text()


def _assert_emulator_missed(stack: Stack, token: str) -> None:
    _wait_until(lambda: not _is_alive(stack.emulator_pid))
    answer = httpx.get(
        f"{stack.api}/orders", headers={"authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 502
    assert answer.json()["detail"].startswith("The AWS emulator")

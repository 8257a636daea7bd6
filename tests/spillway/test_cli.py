"""The command line as a person or a script meets it: a process, its output and its exit status."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.metadata import version
from pathlib import Path
from typing import IO

import httpx
import pytest
from typer.testing import CliRunner

from spillway.__main__ import main as spillway_main
from spillway.cli import app, main
from spillway.errors import INTERRUPTED, READER_GONE, SpillwayError
from spillway.run.stack import attach
from spillway.run.stack.folder import StackFolder
from spillway.run.stack.ports import free_port, listen, port_of
from spillway.run.stack.starting import stop

_SPILLWAY = [sys.executable, "-c", "from spillway.cli import main; main()"]


@pytest.fixture
def port() -> Iterator[int]:
    """A free port; whatever a failed test left on it is ended."""
    number = free_port()
    yield number
    stop(number)


def _spillway(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [*_SPILLWAY, *arguments],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _unread_pipe() -> IO[bytes]:
    unread, pipe = os.pipe()
    os.close(unread)
    return os.fdopen(pipe, "wb")


@contextmanager
def _up_in_front(port: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """`spillway up` in front, once it is ready, and what it has printed."""
    with subprocess.Popen(  # noqa: S603
        [*_SPILLWAY, "up", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "Stop with Ctrl+C." not in shown:
            line = process.stdout.readline()
            assert line, "it ended before it was ready"
            shown += line
        yield process, shown


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until_gone(port: int, state: Path) -> None:
    while _is_open(port) or state.exists():
        time.sleep(0.05)


def _assert_one_sentence(output: str) -> None:
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1, output


class TestHelp:
    @pytest.mark.parametrize("command", [command.callback for command in app.registered_commands])
    def test_every_command_shows_an_example_of_itself(self, command: Callable[..., None]) -> None:
        shown = CliRunner().invoke(app, [command.__name__, "--help"])
        assert shown.exit_code == 0
        example = shown.stdout.partition("Example: ")[2]
        assert f"spillway {command.__name__} " in example.partition("Options")[0]

    def test_it_is_quick_because_nothing_heavy_is_imported(self) -> None:
        heavy = ("boto3", "botocore", "httpx", "starlette", "uvicorn", "aws_cdk", "matplotlib")
        program = (
            "import sys; sys.argv = ['spillway', '--help'];"
            "from spillway.cli import main\n"
            "try: main()\n"
            f"finally: print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
        )
        shown = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert shown.stderr.strip() == "[]"


class TestErrors:
    @pytest.mark.parametrize(
        "arguments",
        [["fly"], ["up", "--port", "70000"], ["token"], ["token", "--as", "admin"], ["up", "now"]],
    )
    def test_bad_usage_ends_with_status_2(self, arguments: list[str]) -> None:
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 2
        assert "Usage: " in shown.stderr
        assert "Traceback" not in shown.stderr

    @pytest.mark.parametrize("detach", [[], ["--detach"]])
    def test_a_taken_port_is_one_sentence(self, detach: list[str]) -> None:
        with listen(0) as listener:
            port = port_of(listener)
            shown = _spillway("up", "--port", str(port), *detach)
        assert (shown.returncode, shown.stdout) == (3, "")
        assert shown.stderr == (
            f"Port {port} is taken by another program: choose another with --port.\n"
        )

    def test_a_token_of_a_stack_that_does_not_run_is_one_sentence(
        self, port: int, tmp_path: Path
    ) -> None:
        token = ("token", "--as", "shopper", "--port", str(port))
        shown = _spillway(*token, SPILLWAY_HOME=str(tmp_path))
        assert shown.returncode == 3
        assert shown.stderr == (
            f"No stack runs on port {port}: start one with `spillway up --port {port}`.\n"
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            # More than is written at once, and little.
            ["simulate", "--seed", "5", "--trace"],
            ["prices", "check", "--json", os.devnull],
        ],
    )
    @pytest.mark.parametrize("full", [True, False])
    def test_an_output_that_cannot_be_written(self, arguments: list[str], full: bool) -> None:
        with Path("/dev/full").open("wb") if full else _unread_pipe() as output:
            shown = subprocess.run(  # noqa: S603
                [*_SPILLWAY, *arguments],
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert shown.returncode == (3 if full else READER_GONE)
        assert ("disk is full" in shown.stderr) == full
        assert len(shown.stderr.splitlines()) == full

    def test_an_interrupt_before_the_command_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Interrupt(MetaPathFinder):
            def find_spec(self, name: str, *_: object) -> None:
                if name == "spillway.cli":
                    raise KeyboardInterrupt

        monkeypatch.delitem(sys.modules, "spillway.cli")
        monkeypatch.setattr(sys, "meta_path", [Interrupt(), *sys.meta_path])
        with pytest.raises(SystemExit) as ended:
            spillway_main()
        assert ended.value.code == INTERRUPTED

    def test_the_stack_that_runs_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SPILLWAY_HOME", str(tmp_path))
        StackFolder(8411).claim()
        (tmp_path / "8412").mkdir()  # its stack has ended
        with pytest.raises(
            SpillwayError, match=r"port 8080: name the one .* --port 8411, or start"
        ):
            attach(8080)

    def test_debug_shows_where_an_error_comes_from(self, port: int) -> None:
        shown = _spillway("--debug", "token", "--as", "shopper", "--port", str(port))
        assert shown.returncode == 3
        assert "Traceback" in shown.stderr

    def test_an_unusable_home_is_one_sentence(self, tmp_path: Path, port: int) -> None:
        not_a_folder = tmp_path / "file"
        not_a_folder.write_text("")
        shown = _spillway("up", "--port", str(port), SPILLWAY_HOME=str(not_a_folder))
        assert shown.returncode == 3
        _assert_one_sentence(shown.stderr)

    @pytest.mark.parametrize(
        ("arguments", "exit_code", "said"),
        [
            # It could not be looked at.
            (["status", "--port", "1"], 3, "No stack runs on port 1"),
            # What was typed can't be meant: by the parser's rules, and by ours.
            (["status", "--port", "x"], 2, "a whole number is needed here"),
            (["status", "--port", "70000"], 2, "it must be at most 65535"),
            (["redrive", "bob"], 2, "Invalid value for 'QUEUE': 'bob' is not one of"),
            (["logs", "--since", "5x"], 2, "'5x' isn't a length of time"),
            (["status", "--watch"], 2, "--watch is for people"),
            (["smoke", "--url", "ftp://x"], 2, "isn't the address of an API"),
        ],
    )
    def test_a_script_can_tell_what_went_wrong(
        self,
        arguments: list[str],
        exit_code: int,
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["spillway", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code == exit_code
        assert said in " ".join(shown.err.split())
        assert said in json.loads(shown.out)["error"]

    def test_the_version_is_the_package_s(self) -> None:
        shown = CliRunner().invoke(app, ["--version"])
        assert (shown.exit_code, shown.stdout) == (0, f"{version('spillway')}\n")

    def test_down_where_nothing_runs_is_fine(self, port: int) -> None:
        shown = _spillway("down", "--port", str(port))
        assert (shown.returncode, shown.stdout) == (0, f"Nothing runs on port {port}.\n")


@pytest.mark.usefixtures("own_stacks")
@pytest.mark.timeout(600)
class TestUp:
    def test_in_the_background_from_start_to_end(self, port: int) -> None:
        # A user's own AWS settings, a proxy and no Node at all: none of it may matter.
        foreign = {
            "AWS_PROFILE": "production",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "PATH": os.devnull,
        }
        started = _spillway("up", "--port", str(port), "--detach", "--json", **foreign)
        assert started.returncode == 0, started.stderr
        endpoints = json.loads(started.stdout)
        assert endpoints["origin"] == f"http://127.0.0.1:{port}"
        assert endpoints.keys() == {
            *("origin", "console", "api", "emulator", "proxy", "downstreams", "region"),
            *("tables", "queues"),
            *("pid", "state", "customers"),
        }
        assert {"shopper@example.com"} < {one["email"] for one in endpoints["customers"]}

        second = _spillway("up", "--port", str(port), "--detach")
        assert second.returncode == 3
        assert f"A stack already runs on port {port}" in second.stderr
        _assert_one_sentence(second.stderr)

        token = _spillway("token", "--as", "wholesale", "--port", str(port), **foreign).stdout
        answer = httpx.get(
            f"{endpoints['api']}/orders",
            headers={"authorization": f"Bearer {token.strip()}"},
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code == 200

        ended = _spillway("down", "--port", str(port))
        assert (ended.returncode, ended.stdout) == (0, f"The stack on port {port} has ended.\n")
        assert not _is_open(port)
        assert not Path(endpoints["state"]).exists()

    @pytest.mark.parametrize(
        "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
    )
    def test_in_front_until_a_signal_stops_it(self, port: int, number: signal.Signals) -> None:
        with _up_in_front(port) as (process, shown):
            assert f"http://127.0.0.1:{port}/api/orders" in shown
            assert _is_open(port)

            process.send_signal(number)
            _, errors = process.communicate()

        assert process.returncode == 0
        assert "Deploy the stacks" in errors
        assert "Traceback" not in errors
        assert not _is_open(port)

    @pytest.mark.slow
    def test_killed_in_front_it_takes_the_whole_stack_with_it(self, port: int) -> None:
        with _up_in_front(port) as (process, _):
            state = attach(port).state
            process.kill()
            process.wait()

            _wait_until_gone(port, state)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_stopping_it_while_it_starts_leaves_nothing(
        self, port: int, number: signal.Signals
    ) -> None:
        with subprocess.Popen(  # noqa: S603
            [*_SPILLWAY, "up", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            while "Start the AWS emulator" not in process.stderr.readline():
                time.sleep(0.01)
            process.send_signal(number)
            process.communicate()

        assert process.returncode == (0 if number == signal.SIGINT else -number)
        _wait_until_gone(port, StackFolder(port).path)
        assert "Nothing runs" in _spillway("down", "--port", str(port)).stdout

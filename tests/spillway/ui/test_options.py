"""Results as JSON or as a view, and paths that cannot be written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from spillway.errors import SpillwayError
from spillway.ui.options import STDOUT, check_writable, print_result, write_json


def _show(count: int, console: Console) -> None:
    console.print(f"{count} orders")


@pytest.mark.parametrize(
    ("as_json", "out"), [(True, '{\n  "orders": 3\n}\n'), (False, "3 orders\n")]
)
def test_a_result_is_printed_as_json_or_as_a_view(
    as_json: bool, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(3, as_json=as_json, document=lambda count: {"orders": count}, show=_show)

    assert capsys.readouterr().out == out


def test_json_goes_to_a_file_or_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "out.json", {"orders": 3})
    write_json(STDOUT, {"orders": 3})

    written = (tmp_path / "out.json").read_text()
    assert json.loads(written) == {"orders": 3}
    assert capsys.readouterr().out == written


def test_a_path_that_cannot_be_written_is_reported_before_the_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "out.png"):
        with pytest.raises(SpillwayError) as refused:
            check_writable(None, STDOUT, path)
        assert str(path) in str(refused.value)


def test_a_new_file_in_a_folder_can_be_written(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.png")

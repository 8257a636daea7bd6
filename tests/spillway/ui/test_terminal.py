"""Where people read, with their wish for no colours."""

from __future__ import annotations

import pytest
from rich.text import Text

from spillway.ui.terminal import terminal


@pytest.mark.parametrize(("no_color", "styled"), [("1", False), ("", True)])
def test_no_color_is_no_style_at_all(
    no_color: str, styled: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal().print(Text.assemble(("bold", "bold"), (" dim", "dim"), (" red", "red")))
    assert ("\x1b" in capsys.readouterr().out) is styled

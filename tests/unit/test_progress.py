import io
import re
import sys

import pytest

from workloads import progress
from workloads.progress import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_short_transfer_leaves_no_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("backup", 10) as shown:
        shown.update(10)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "told"), [(2_000_000, "1.00MB of 2.00MB"), (None, "1.00MB")])
def test_a_long_transfer_is_a_line_now_and_then_on_stderr(
    total: int | None, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL_SECONDS", 1e-6)
    with bar("backup", total) as shown:
        shown.update(500_000)
        shown.update(500_000)

    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"([ -~]+\n){3}", said.err)
    assert said.err.splitlines()[-1].startswith(f"backup: {told}, ")


def test_a_terminal_is_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with bar("backup", 10) as shown:
        shown.update(10)

    assert "backup" in terminal.getvalue()
    assert terminal.getvalue().rpartition("\r")[2] == ""
    assert "\n" not in terminal.getvalue()

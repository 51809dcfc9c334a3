"""The parser of all commands."""

import pytest

from contracts import Exit
from workloads import cli


@pytest.mark.parametrize("given", [["--", "a", "--"], ["a", "--", "--"]])
def test_two_dashes_are_no_value(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parser = cli.parser("example", "An example.")
    parser.add_argument("first")
    parser.add_argument("second")
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(given)
    assert stopped.value.code == Exit.USAGE
    assert "expected one argument" in capsys.readouterr().err

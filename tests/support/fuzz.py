"""Runs of a workload's command with arbitrary arguments, environment variables and files, and checks of its output.

Bad input must never cause a traceback, but one line, a specific exit code, and no value of a credential. `run_command`
checks that, and the strategies generate the bad input.
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from contracts import Exit
from workloads import cli

Main = Callable[[Sequence[str] | None], int]

# Text as Linux passes it: any bytes but NUL, with invalid UTF-8 as lone surrogates.
os_text = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20),
    st.binary(max_size=20).map(lambda content: os.fsdecode(content.replace(b"\0", b""))),
    st.sampled_from(["", " ", "-", "--", ".", "..", "/", "~", "\n", "a\nb", "a" * 300, "a/" * 3000, "\x1b[2J"]),
)

# JSON texts, valid or not, that parsers and serializers treat differently.
_ODD_JSON = (
    '{"a": 1e999}',
    '{"a": "\\ud800"}',
    '{"\\udc00": 1}',
    '{"a": NaN}',
    '{"a": 1, "a": 2}',
    '{"a": ' + "9" * 5000 + "}",
    '{"a": ' + "[" * 200 + "]" * 200 + "}",
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * 5000,
    "\ufeff{}",
    "null",
    "",
)
json_text = st.one_of(st.sampled_from(_ODD_JSON).map(str.encode), st.binary(max_size=50))

# Values in place of the expected ones in a JSON document.
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.just("\ud800")
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)


LEFT_OUT: Final = object()


@dataclass(frozen=True)
class Said:
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str


def run_command(
    main: Main,
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    *,
    shows_progress: bool = False,
) -> Said:
    """Run a command as `python -m` does, and check its exit code and output.

    Raises:
        AssertionError: There is a traceback, an unspecific exit code, more than one line of error (not counting
            argparse's usage and, if it `shows_progress`, lines before the error), or one of `secrets`.
    """
    said = _run(main, argv, environment or {})
    assert said.code in set(Exit) - {Exit.UNEXPECTED}, said
    assert "Traceback" not in said.err, said
    for secret in secrets:
        assert secret not in said.out + said.err, said
    if said.code == Exit.OK:
        return said
    errors = [line for line in said.err.splitlines() if "error: " in line]
    assert len(errors) == 1, said
    assert said.err.endswith(f"{errors[0]}\n"), said
    assert shows_progress or said.err.startswith(("error: ", "usage: ")), said
    return said


def _run(main: Main, argv: Sequence[str], environment: Mapping[str, str]) -> Said:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _added(environment):
        try:
            cli.run(main, argv)
        except SystemExit as stop:
            code = stop.code
    assert isinstance(code, int)
    return Said(int(code), _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextlib.contextmanager
def _added(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return `content` with bytes changed, removed or inserted, or replaced as a whole."""
    position = draw(st.integers(0, max(len(content) - 1, 0)))
    other = draw(st.binary(min_size=1, max_size=8))
    return draw(
        st.sampled_from(
            [
                content[:position] + other + content[position + len(other) :],
                content[:position] + other + content[position:],
                content[:position],
                content[position:],
                content + other,
                other,
                b"",
            ]
        )
    )


def paths(value: object, start: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*start, name)
        yield from paths(item, (*start, name))


def replaced(document: Any, path: Sequence[str | int], value: Any) -> Any:
    """Return a copy of a JSON document with `value` at `path`, or without the path for `LEFT_OUT`."""
    if not path:
        return None if value is LEFT_OUT else value
    copy = document.copy()
    if value is LEFT_OUT and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy

"""Progress of a long command on stderr: each step with its elapsed time.

On a terminal the running steps are a live display; elsewhere each step prints one line at its start and one at its
end. Steps may be nested, and may run in several threads at once.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from local.errors import LocalError

TAIL_LINES = 20
# Durations below the first have tenths of a second; from the second on they are in minutes.
FEW_SECONDS, MANY_SECONDS = 10, 100

_began = time.monotonic()
_console = Console(stderr=True, highlight=False)


def elapsed() -> float:
    """Return the seconds since this command began."""
    return time.monotonic() - _began


def duration(seconds: float) -> str:
    """Return a duration in words: `0.4 s`, `42 s` or `3 min 20 s`."""
    if seconds < FEW_SECONDS:
        return f"{seconds:.1f} s"
    if seconds < MANY_SECONDS:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


class Step:
    """A running step; `note` shows what it is doing."""

    def __init__(self, title: str, about_seconds: float | None) -> None:
        self.title = title
        self.about_seconds = about_seconds
        self.began = time.monotonic()
        self.detail = ""

    def note(self, detail: str) -> None:
        """Show `detail` beside the step, or on a separate line if there is no terminal."""
        if detail == self.detail:
            return
        self.detail = detail
        if not _console.is_terminal:
            say(f"  {detail}")

    def glance(self, detail: str) -> None:
        """Show `detail` beside the step on a terminal only, for details that change too fast to be worth a line."""
        if _console.is_terminal:
            self.detail = detail

    def elapsed(self) -> float:
        """Return the seconds since the step began."""
        return time.monotonic() - self.began


class _Display:
    """The running steps, a live table on a terminal."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._live: Live | None = None
        self._lock = Lock()

    def add(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)
            if _console.is_terminal and self._live is None:
                self._live = Live(console=_console, get_renderable=self._table, transient=True, refresh_per_second=4)
                self._live.start()

    def remove(self, step: Step) -> None:
        with self._lock:
            self._steps.remove(step)
            if not self._steps and self._live is not None:
                self._live.stop()
                self._live = None

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step in tuple(self._steps):
            about = f" of about {duration(step.about_seconds)}" if step.about_seconds else ""
            table.add_row(Spinner("dots"), step.title, f"{duration(step.elapsed())}{about}", step.detail)
        return table


_display = _Display()


def say(text: str) -> None:
    """Print one line among the progress; without a terminal it starts with the seconds since the command began."""
    if _console.is_terminal:
        _console.print(text, markup=False)
    else:
        print(f"[{elapsed():7.1f}s] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str, about_seconds: float | None = None) -> Iterator[Step]:
    """Show a step while it runs, how long it takes, and how it ends.

    If a `LocalError` ends the step, its excerpt or the last lines of its log are printed below the step.
    """
    current = Step(title, about_seconds)
    if not _console.is_terminal:
        say(f"{title} ..." + (f" (about {duration(about_seconds)})" if about_seconds else ""))
    _display.add(current)
    try:
        yield current
    except BaseException as error:
        _display.remove(current)
        _finished(current, "failed", "✗")
        if isinstance(error, LocalError):
            _show_log(error)
        raise
    _display.remove(current)
    _finished(current, "done", "✓")


def _finished(step: Step, outcome: str, mark: str) -> None:
    if _console.is_terminal:
        say(f"{mark} {step.title}  {duration(step.elapsed())}" + ("" if outcome == "done" else f"  {outcome}"))
    else:
        say(f"{step.title} ... {outcome} ({duration(step.elapsed())})")


def _show_log(error: LocalError) -> None:
    if error.log is None or error.shown:
        return
    error.shown = True
    say(f"  {'from' if error.excerpt else 'the last lines of'} {error.log}:")
    for line in error.excerpt or tail(error.log):
        say(f"  | {line}")


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log; empty if the file does not exist."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def run(
    argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a command and append its output to `log`.

    Raises:
        LocalError: The command could not be started, or its exit code is not 0; names the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(argument) for argument in argv]
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, check=False
            ).returncode
        except OSError as error:
            raise LocalError(f"{command[0]} could not be started: {error.strerror}", log) from error
    if code:
        raise LocalError(f"{Path(command[0]).name} ended with exit code {code}", log)

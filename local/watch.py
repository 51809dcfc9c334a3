"""The terminal of `make status ARGS=--watch`: what is in trouble and the key figures, again and again until Ctrl-C."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts import Exit
from local.cluster import Health
from local.errors import LocalError
from local.figures import rows
from local.figures.samples import Period, Samples
from local.processes import State

SECONDS = 10.0


def watch(
    parts: Callable[[], Sequence[Health]],
    read: Callable[[], Samples],
    *,
    seconds: float,
    console: Console,
    turns: int | None = None,
) -> int:
    """Show the parts and the figures every `seconds`, `turns` times or until Ctrl-C."""
    before: Samples | None = None
    # In a pipe, one block follows another.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            for turn in count(1):
                after, trouble = _read(read)
                figures = rows.rows(Period(before=before or after, after=after), time.time()) if after else {}
                block = _block(_troubles(parts, trouble), figures)
                if console.is_terminal:
                    live.update(block, refresh=True)
                else:
                    console.print(block)
                if turn == turns:
                    break
                before = after
                time.sleep(seconds)
        except KeyboardInterrupt:
            pass
    return Exit.OK


def _read(read: Callable[[], Samples]) -> tuple[Samples | None, str | None]:
    try:
        return read(), None
    except LocalError as reason:
        return None, str(reason)


def _troubles(parts: Callable[[], Sequence[Health]], trouble: str | None) -> dict[str, str]:
    """Return what is in trouble, and why."""
    if trouble:
        return {"cluster": trouble}
    try:
        return {
            part.name: part.trouble or part.state for part in parts() if part.trouble or part.state != State.RUNNING
        }
    except LocalError as reason:
        return {"cluster": str(reason)}


def _block(troubles: Mapping[str, str], figures: Mapping[str, str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("Time", f"{datetime.now(UTC):%H:%M:%S} UTC")
    grid.add_row("Trouble", Text("\n".join(f"{name}: {reason}" for name, reason in troubles.items()) or "none"))
    for title, value in figures.items():
        grid.add_row(title, value)
    return grid

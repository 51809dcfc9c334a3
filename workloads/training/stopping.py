"""Stops a training between two steps when the process is told to end, so that a checkpoint can be written first."""

import signal
import sys
from pathlib import Path
from types import FrameType

from contracts import Exit
from workloads.cli import WorkloadError


class StoppedError(WorkloadError):
    """The training was told to stop, and its checkpoint is on disk."""

    def __init__(self, step: int, steps: int, out_dir: Path) -> None:
        super().__init__(
            f"stopped after step {step} of {steps}; the same command with --out-dir {out_dir} goes on from there.",
            Exit.INTERRUPTED,
        )


class Stop:
    """Remembers SIGTERM and SIGINT (Ctrl-C); a second one ends the process at once."""

    def __init__(self) -> None:
        self.requested = False

    def watch(self) -> None:
        """Take over the two signals."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.requested = True
        for watched in (signal.SIGTERM, signal.SIGINT):
            signal.signal(watched, signal.SIG_DFL)
        print(f"{signal.Signals(number).name}: stopping after this step", file=sys.stderr, flush=True)

"""Stops on a signal: the training ends between two steps, after it has written a checkpoint."""

import os
import signal
from pathlib import Path
from types import FrameType

from contracts import Exit
from workloads.cli import WorkloadError

_STDERR = 2


class StoppedError(WorkloadError):
    """The training stopped on a signal, and its checkpoint is on disk."""

    def __init__(self, step: int, steps: int, out_dir: Path) -> None:
        super().__init__(
            f"stopped after step {step} of {steps}, saved in {out_dir}; the same command resumes from there.",
            Exit.INTERRUPTED,
        )


class Stop:
    """Remembers SIGTERM and SIGINT (Ctrl-C); a second one ends the process at once."""

    def __init__(self) -> None:
        self.requested = False

    def watch(self) -> None:
        """Install the handlers of the two signals."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.requested = True
        for watched in (signal.SIGTERM, signal.SIGINT):
            signal.signal(watched, signal.SIG_DFL)
        # Not by print, which raises an error if the signal interrupts another print to stderr.
        os.write(_STDERR, f"{signal.Signals(number).name}: stopping after this step\n".encode())

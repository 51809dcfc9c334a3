"""The sums of what all worker processes have measured, those that have ended included."""

import logging
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_logger: Final = logging.getLogger("aegis.metrics")
# The place of a process's ID in the name of the file with the counts of those that have ended.
_ENDED: Final = "ended"
_GAUGE: Final = "gauge"


class Workers(Collector):
    """Reads the files that prometheus_client writes in a folder, `KIND_PID.db` for each worker and kind of measurement.

    A count must never fall: Prometheus would take that for a restart, and count everything again. So the counts of a
    worker that has ended are added to those of its predecessors before its files are deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Return the sums."""
        with self._lock:
            self._settle()
            return MultiProcessCollector.merge([str(file) for file in self._files()])

    def settle(self) -> None:
        """Delete the files of the workers that have ended, and keep their counts."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        for file in self._files():
            kind, owner = file.stem.partition("_")[0], file.stem.rpartition("_")[2]
            if owner == _ENDED or _runs(int(owner)):
                continue
            # A gauge of a process that has ended says nothing.
            if kind != _GAUGE:
                self._keep(file, self._folder / f"{kind}_{_ENDED}.db")
            file.unlink()

    def _keep(self, ended: Path, total: Path) -> None:
        try:
            # All of them before the first is added: a file that is read in part would be added again.
            values = [(key, value) for key, value, *_ in MmapedDict.read_all_values_from_file(str(ended))]
        except (ValueError, RuntimeError, struct.error) as error:
            # Its process was killed while it wrote. The others' measurements must not end with it.
            _logger.warning("%s is damaged, and its measurements are lost: %s", ended.name, error)
        else:
            _add(values, total)

    def _files(self) -> Iterator[Path]:
        # A worker has just created a file that is empty.
        return (file for file in sorted(self._folder.glob("*.db")) if file.stat().st_size)


def _add(values: Iterable[tuple[str, float]], total: Path) -> None:
    sums = MmapedDict(str(total))
    try:
        for key, value in values:
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

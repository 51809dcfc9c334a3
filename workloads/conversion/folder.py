"""The directory that a conversion is kept in: an MLflow model per precision, and the report."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion import model_files, report
from workloads.conversion.report import REPORT_FILE, Report
from workloads.conversion.request import Precision
from workloads.signing.staging import written

_MODE = 0o755


class OutFolder:
    """The directory `path`, which is new or empty, or has the same conversion, whose `report` it then has.

    Raises:
        WorkloadError: It has other content.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        with written(path):
            self.report = self._complete(key)
            if self.report is None and path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise WorkloadError(
                    f"{path} must be a new or empty directory, or have the same conversion: it has other content.",
                    Exit.USAGE,
                )

    def place(self, conversion: Report, folders: Mapping[Precision, Path]) -> None:
        """Put the models and the report into the directory, all at once.

        Raises:
            WorkloadError: The directory can't be written.
        """
        with written(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
            try:
                partial.chmod(_MODE)
                for precision, folder in folders.items():
                    shutil.copytree(folder, partial / precision)
                (partial / REPORT_FILE).write_text(conversion.to_json(), encoding="utf-8")
                partial.replace(self.path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def _complete(self, key: str) -> Report | None:
        """Return the report if it is that of the same conversion and its models are unchanged."""
        try:
            found = report.parse((self.path / REPORT_FILE).read_text(encoding="utf-8"))
            changed = [
                precision
                for precision, figures in found.models.items()
                if model_files.sha256_of(self.path / precision) != figures.sha256
            ]
        except (OSError, ValueError):
            return None
        return found if found.key == key and not changed else None

"""The converted models of a request, each compared with PyTorch before anything is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.conversion import latency, model_files, parity
from workloads.conversion.export import export, is_large
from workloads.conversion.network import Network
from workloads.conversion.parity import Comparison
from workloads.conversion.reduced import reduce
from workloads.conversion.report import Figures, Report
from workloads.conversion.request import Precision, Request
from workloads.conversion.samples import Samples
from workloads.conversion.session import Session
from workloads.conversion.source import Origin

_PACKAGES: Final = ("torch", "onnx", "onnxruntime", "onnxscript")
_PYTORCH: Final = "pytorch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A converted model within its limits, as an MLflow model directory."""

    folder: Path
    session: Session
    comparison: Comparison


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """Makes the candidates of one request in the directory `scratch`; `source` is the model directory to convert."""

    request: Request
    source: Path
    origin: Origin
    network: Network
    samples: Samples
    scratch: Path

    def make(self) -> dict[Precision, Candidate]:
        """Return a candidate for each precision.

        Raises:
            NotEqualError: One is over its limits.
            WorkloadError: The model can't be converted.
        """
        size = self.network.size
        if is_large(size) and len(self.request.precisions) > 1:
            raise WorkloadError(
                f"fp16 and int8 take models up to 2 GB, got {size / 1e9:.1f} GB; fp32 alone takes any size.", Exit.USAGE
            )
        # What PyTorch itself can't answer is named before the export, whose messages are long.
        self.network.predict(self.samples.inputs[:1])
        fp32 = self._path("fp32")
        export(self.network, self.samples.inputs, fp32, self.request.opset)
        return {precision: self._candidate(precision, fp32) for precision in self.request.precisions}

    def _candidate(self, precision: Precision, fp32: Path) -> Candidate:
        path = fp32
        if precision != "fp32":
            path = self._path(precision)
            reduce(precision, fp32, path, self.network.input_name, self.samples.calibration)
        folder = self.scratch / "models" / precision
        outputs = Session(path).predict(self.samples.inputs[:1])
        model_files.save(path, folder, self.network, self.samples.inputs, outputs, self.origin)
        model_files.keep_baseline(self.source, folder)
        # The file that is logged is compared, not the one that it was made from.
        session = Session(folder / model_files.GRAPH_FILE)
        comparison = parity.compare(self.network, session, self.samples)
        parity.require(precision, comparison, self.request.limits[precision])
        return Candidate(folder=folder, session=session, comparison=comparison)

    def _path(self, precision: Precision) -> Path:
        path = self.scratch / precision / model_files.GRAPH_FILE
        path.parent.mkdir()
        return path

    def report(self, key: str, candidates: Mapping[Precision, Candidate]) -> Report:
        """Measure the candidates' latency, and return the report."""
        sessions = {precision: candidate.session for precision, candidate in candidates.items()}
        times = latency.measure({_PYTORCH: self.network, **sessions}, self.samples.inputs)
        return Report(
            key=key,
            source=self.origin,
            opset=self.request.opset,
            samples={
                "name": self.samples.name,
                "count": len(self.samples.inputs),
                "labelled": self.samples.labels is not None,
                "calibration": len(self.samples.calibration) if "int8" in candidates else 0,
                "sha256": self.samples.digest,
            },
            pytorch={
                "size_bytes": self.network.size,
                "fixed_batch": self.network.fixed_batch,
                "accuracy": candidates["fp32"].comparison.pytorch_accuracy,
                "latency_ms": times[_PYTORCH],
            },
            models={
                precision: self._figures(precision, candidate, times[precision])
                for precision, candidate in candidates.items()
            },
            packages={name: version(name) for name in _PACKAGES},
        )

    def _figures(self, precision: Precision, candidate: Candidate, latency_ms: Mapping[str, float]) -> Figures:
        return Figures(
            size_bytes=sum(path.stat().st_size for path in model_files.onnx_files(candidate.folder)),
            sha256=model_files.sha256_of(candidate.folder),
            comparison=candidate.comparison,
            limits=self.request.limits[precision],
            latency_ms=latency_ms,
        )

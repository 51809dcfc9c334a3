"""Convert a model to ONNX, compare it with PyTorch, and only then keep, log, register and sign it."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workloads.conversion import network, report, samples, source, tracked
from workloads.conversion.candidates import Maker
from workloads.conversion.folder import OutFolder
from workloads.conversion.registration import Registry, Signing, Version
from workloads.conversion.report import Report
from workloads.conversion.request import Precision, Request
from workloads.conversion.tracked import Conversions, Logged
from workloads.mlflow_client import Tracking
from workloads.release import earlier
from workloads.release import model as models
from workloads.signing.staging import written


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """The destination of the converted models.

    Attributes:
        out: A new directory for the MLflow models and the report.
        tracking: The tracking server that gets them as a run.
        experiment: The experiment of this run; None for that of the source's run.
        register: The registered model that gets the fp32 model as a version; the others go to NAME-fp16 and NAME-int8.
        signing: Signs the versions, if given.
        work_dir: The directory for temporary files; None for the system's.
    """

    out: Path | None = None
    tracking: Tracking | None = None
    experiment: str | None = None
    register: str | None = None
    signing: Signing | None = None
    work_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.out is None and self.tracking is None:
            raise ValueError("a converted model needs a destination: --out DIR, or an MLflow server.")
        if self.register and self.tracking is None:
            raise ValueError("--register needs an MLflow server.")
        if self.signing and not self.register:
            raise ValueError("--sign signs versions: it needs --register NAME.")

    def registry(self, tracking: Tracking, scratch: Path) -> Registry | None:
        """Return what registers the models, if they are to be registered; `scratch` is a new directory."""
        if self.register is None:
            return None
        return Registry(tracking=tracking, name=self.register, signing=self.signing, scratch=scratch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """The result of a conversion.

    `reused` tells that there was a conversion of the same source, samples and options, which was taken. `run_id` and
    `model_ids` are its IDs in MLflow.
    """

    report: Report
    run_id: str | None = None
    model_ids: Mapping[Precision, str | None] = field(default_factory=dict)
    versions: Mapping[Precision, Version] = field(default_factory=dict)
    reused: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the report and the result as JSON-ready values."""
        return self.report.to_dict() | {
            "run_id": self.run_id,
            "model_ids": dict(self.model_ids),
            "versions": {precision: asdict(one) for precision, one in self.versions.items()},
            "reused": self.reused,
        }


def convert(request: Request, destination: Destination) -> Converted:
    """Convert a model, or find its earlier conversion, and bring it to its destination.

    Raises:
        NotEqualError: A converted model is over its limits; nothing is kept, logged or registered.
        NotVerifiedError: Versions are to be signed, and the source is a model version that doesn't verify.
        WorkloadError: The model can't be converted, or a service is dead.
    """
    if destination.signing:
        destination.signing.store.check()
    with _scratch(destination.work_dir) as scratch:
        trusted = destination.signing.source_keys() if destination.signing else None
        folder, origin = source.fetch(destination.tracking, request.source, scratch / "source", trusted)
        pytorch = network.load(folder, allow_pickle=request.allow_pickle)
        chosen = samples.choose(request, pytorch)
        maker = Maker(request=request, source=folder, origin=origin, network=pytorch, samples=chosen, scratch=scratch)
        key = report.key_of(request, origin, chosen)
        if destination.tracking is None:
            return _in_folder(maker, key, destination.out)
        return _in_mlflow(maker, key, destination, destination.tracking)


def _in_folder(maker: Maker, key: str, path: Path | None) -> Converted:
    if path is None:
        raise ValueError("a conversion without MLflow needs a directory")
    out = OutFolder(path, key)
    if out.report is not None:
        return Converted(report=out.report, reused=True)
    conversion, folders = _make(maker, key)
    out.place(conversion, folders)
    return Converted(report=conversion)


def _in_mlflow(maker: Maker, key: str, destination: Destination, tracking: Tracking) -> Converted:
    out = OutFolder(destination.out, key) if destination.out else None
    conversions = tracked.conversions(tracking, destination.experiment, maker.origin.run_id)
    registry = destination.registry(tracking, maker.scratch / "signing")
    found = _earlier(conversions, key, registry)
    folders: Mapping[Precision, Path] | None = None
    if found is None:
        conversion, folders = _make(maker, key)
        logged = conversions.log(conversion, folders)
        contents: Mapping[Precision, str] = {
            precision: earlier.content_of(folder) for precision, folder in folders.items()
        }
    else:
        logged, conversion, contents = found
    # The source may have become a version since then.
    conversion = dataclasses.replace(conversion, source=maker.origin)
    versions = registry.register(logged, conversion, contents) if registry else {}
    if out and out.report is None:
        out.place(conversion, folders or _fetched(tracking, logged, maker.scratch))
    return Converted(
        report=conversion,
        run_id=logged.run_id,
        model_ids={precision: model.model_id for precision, model in logged.models.items()},
        versions=versions,
        reused=found is not None,
    )


def _earlier(
    conversions: Conversions, key: str, registry: Registry | None
) -> tuple[Logged, Report, Mapping[Precision, str]] | None:
    """Return the last conversion that can be taken again, with the digests of its models that will be signed."""
    for logged, conversion in conversions.find(key):
        contents = registry.signed(logged, conversion) if registry else {}
        if contents is not None:
            return logged, conversion, contents
    return None


def _make(maker: Maker, key: str) -> tuple[Report, dict[Precision, Path]]:
    with network.one_thread():
        candidates = maker.make()
        conversion = maker.report(key, candidates)
    return conversion, {precision: candidate.folder for precision, candidate in candidates.items()}


@contextlib.contextmanager
def _scratch(work_dir: Path | None) -> Iterator[Path]:
    with written(work_dir or Path(tempfile.gettempdir())):
        scratch = Path(tempfile.mkdtemp(prefix="onnx-", dir=work_dir))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetched(tracking: Tracking, logged: Logged, scratch: Path) -> dict[Precision, Path]:
    """Fetch the models of an earlier conversion from MLflow."""
    folders: dict[Precision, Path] = {}
    for precision, model in logged.models.items():
        folders[precision] = scratch / "models" / precision
        models.download(tracking, model, folders[precision])
    return folders

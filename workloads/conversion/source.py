"""Find the model to convert in MLflow or in a directory, and fetch its files."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import yaml
from mlflow.entities.model_registry import ModelVersion

from aegis import evidence, files
from aegis.keys import PublicKey
from aegis.version import naming
from contracts import Env, Exit
from workloads import services
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.release import artifacts, earlier
from workloads.release import model as models
from workloads.signing.source import source_of

FORMS: Final = "runs:/ID, a run's ID, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID or a directory"

_ATTEMPTS: Final = services.PATIENT_ATTEMPTS
_RUN: Final = re.compile(r"(?:runs:/)?([0-9a-f]{32})")
_LOGGED: Final = re.compile(r"models:/(m-[0-9a-f]+)")
_VERSION: Final = re.compile(r"models:/([^/@]+)/([0-9]+)")
_ALIAS: Final = re.compile(r"models:/([^/@]+)@([^/@]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The origin of a converted model.

    `version` is "NAME/VERSION" if a model version was converted, `content_sha256` the digest of the model's files, as
    the signature of a release has it.
    """

    run_id: str | None
    model_id: str | None
    version: str | None
    content_sha256: str

    def to_dict(self) -> dict[str, str | None]:
        """Return the origin for reports and manifests."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    location: str
    run_id: str | None
    model_id: str | None
    registered: ModelVersion | None = None

    @property
    def version(self) -> str | None:
        return f"{self.registered.name}/{self.registered.version}" if self.registered else None


def fetch(
    tracking: Tracking | None, source: str, directory: Path, trusted: Sequence[PublicKey] | None = None
) -> tuple[Path, Origin]:
    """Return the model directory of `source` and its origin; a model of MLflow is fetched into `directory`.

    With `trusted`, a source that is a model version must be signed by one of these keys, and all bytes that were
    fetched are compared with the signed ones.

    Raises:
        NotVerifiedError: `trusted` is given, and the version doesn't verify.
        WorkloadError: There is no such model, it has no files, or MLflow or the artifact store is dead.
    """
    if Path(source).is_dir():
        folder = Path(source)
        described = source_of(folder, None)
        place = _Place(location=source, run_id=described.get("run_id"), model_id=described.get("model_id"))
    else:
        place = _place(tracking, source)
        folder = directory
        if tracking is None or not artifacts.fetch(tracking, place.location, folder):
            raise WorkloadError(f"{source} has no files.", Exit.NO_RUN)
        if trusted is not None and place.registered is not None:
            _verify(place.registered, folder, trusted)
    _require_pytorch(folder, source)
    origin = Origin(
        run_id=place.run_id,
        model_id=place.model_id,
        version=place.version,
        content_sha256=earlier.content_of(folder),
    )
    return folder, origin


def _verify(registered: ModelVersion, folder: Path, trusted: Sequence[PublicKey]) -> None:
    with naming(registered):
        files.check_folder(evidence.check(registered, trusted).manifest, folder)


def _place(tracking: Tracking | None, source: str) -> _Place:
    forms = (_RUN, _LOGGED, _VERSION, _ALIAS)
    if not any(form.fullmatch(source) for form in forms):
        raise WorkloadError(f"SOURCE must be {FORMS}, got {source!r}.", Exit.USAGE)
    if tracking is None:
        raise WorkloadError(f"{source} is in MLflow: set {Env.TRACKING_URI} or --tracking-uri.", Exit.USAGE)
    client = tracking.client
    if found := _RUN.fullmatch(source):
        model = models.find(tracking, found[1])
        return _Place(location=model.location, run_id=model.run_id, model_id=model.model_id)
    if found := _LOGGED.fullmatch(source):
        return _logged(tracking, found[1])
    if found := _VERSION.fullmatch(source):
        name, number = found.groups()
        return _version(tracking, tracking.ask(lambda: client.get_model_version(name, number), _ATTEMPTS))
    name, alias = _ALIAS.fullmatch(source).groups()  # pyright: ignore[reportOptionalMemberAccess] - checked above
    return _version(tracking, tracking.ask(lambda: client.get_model_version_by_alias(name, alias), _ATTEMPTS))


def _logged(tracking: Tracking, model_id: str, registered: ModelVersion | None = None) -> _Place:
    model = tracking.ask(lambda: tracking.client.get_logged_model(model_id), _ATTEMPTS)
    return _Place(
        location=model.artifact_location, run_id=model.source_run_id or None, model_id=model_id, registered=registered
    )


def _version(tracking: Tracking, version: ModelVersion) -> _Place:
    if found := _LOGGED.fullmatch(version.source or ""):
        return _logged(tracking, found[1], version)
    number = str(version.version)
    location = tracking.ask(lambda: tracking.client.get_model_version_download_uri(version.name, number), _ATTEMPTS)
    return _Place(location=location, run_id=version.run_id or None, model_id=None, registered=version)


def _require_pytorch(folder: Path, source: str) -> None:
    """Refuse a directory whose MLmodel file doesn't name the PyTorch flavor."""
    try:
        described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
        flavors = sorted(described["flavors"])
    except FileNotFoundError as error:
        raise WorkloadError(f"{source} is not an MLflow model: it has no MLmodel file.", Exit.USAGE) from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError, yaml.YAMLError) as error:
        raise WorkloadError(f"{source} has an MLmodel file that can't be read.", Exit.USAGE) from error
    if "pytorch" not in flavors:
        raise WorkloadError(
            f"{source} has no pytorch flavor, the only one that can be converted: its flavors are "
            f"{', '.join(flavors) or 'none'}.",
            Exit.USAGE,
        )

"""The checks of `doctor-client`: the installation, the settings, the keys, a model, and MLflow itself."""

import contextlib
import io
import logging
import os
import platform
import re
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import mlflow

from contracts import Env
from laptop import environment, example_model, ports
from laptop.settings import PORT, Settings
from workloads import messages
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.signing import keys
from workloads.signing import signer as signers
from workloads.signing.file_key import FileKey

_REQUIREMENTS: Final = environment.ROOT / "requirements.txt"
_PACKAGES: Final = ("mlflow", "torch", "deepspeed", "cryptography", "scikit-learn", "pandas", "numpy")
_PYTHON: Final = (3, 11)
_CREDENTIAL: Final = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|ACCESS_KEY|PRIVATE_KEY", re.IGNORECASE)
_SETUP: Final = "run `make setup-mlflow`"


class FailedCheckError(Exception):
    """A check failed; the text is the reason, and `remedy` says what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(messages.plain(reason))
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of a check; a check that holds needs no remedy."""

    check: str
    ok: bool
    detail: str
    remedy: str | None = None

    def __str__(self) -> str:
        state = "OK" if self.ok else "FAILED"
        remedy = f": {self.remedy}" if self.remedy else ""
        return f"{state:6}  {self.check:13}  {self.detail}{remedy}"

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return asdict(self)


def run(settings: Settings) -> Iterator[Result]:
    """Run all checks, also after one that failed."""
    for name, check in _CHECKS.items():
        try:
            yield Result(check=name, ok=True, detail=check(settings))
        except FailedCheckError as error:
            yield Result(check=name, ok=False, detail=str(error), remedy=error.remedy)
        except WorkloadError as error:
            yield Result(check=name, ok=False, detail=str(error).rstrip("."), remedy=_REMEDIES.get(name))
        except Exception as error:  # noqa: BLE001 - a check of an installation may fail in any way, and the others go on
            detail = messages.plain(f"{type(error).__name__}: {error}")
            yield Result(check=name, ok=False, detail=detail, remedy=_REMEDIES.get(name))


def _python(_: Settings) -> str:
    found = sys.version_info[:2]
    if found != _PYTHON:
        raise FailedCheckError(
            f"Python must be {_PYTHON[0]}.{_PYTHON[1]}, got {found[0]}.{found[1]}", "run the make targets, or use .venv"
        )
    return platform.python_version()


def _packages(_: Settings) -> str:
    required = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE))
    wrong = [f"{name} {_installed(name)} (must be {required[name]})" for name in _PACKAGES if not _fits(name, required)]
    if wrong:
        raise FailedCheckError(", ".join(wrong), "run `make help`, which installs requirements.txt into .venv")
    return ", ".join(f"{name} {_installed(name)}" for name in _PACKAGES)


def _fits(name: str, required: dict[str, str]) -> bool:
    # PyTorch adds its build, such as +cpu.
    return _installed(name).partition("+")[0] == required[name].partition("+")[0]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _environment(settings: Settings) -> str:
    read = environment.values(settings.name)
    if found := credentials_in(read):
        raise FailedCheckError(
            f".env.{settings.name} holds a credential: {', '.join(found)}",
            "remove it from the file and set it in your shell",
        )
    wins = f"; your shell sets {', '.join(settings.overridden)}" if settings.overridden else ""
    return f"{len(read)} variables in .env.{settings.name}{wins}"


def credentials_in(variables: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that hold credentials; they don't belong in a file that is committed."""
    return sorted(name for name, value in variables.items() if value and _CREDENTIAL.search(name))


def _folder(settings: Settings) -> str:
    if not settings.folder.is_dir():
        raise FailedCheckError(f"there is no folder {settings.folder}", _SETUP)
    if not os.access(settings.folder, os.W_OK):
        raise FailedCheckError(f"{settings.folder} can't be written", "change its owner or AEGIS_LAPTOP_FOLDER")
    mode = stat.S_IMODE(settings.folder.stat().st_mode)
    return f"{settings.folder}, mode {mode:04o}"


def _keys(_: Settings) -> str:
    trusted = keys.trusted([])
    if os.environ.get(Env.SIGNING_KEY_FILE):
        signer = signers.from_environment()
        public = signer.key_ring().versions[1]
        if isinstance(signer, FileKey) and public.fingerprint not in {key.fingerprint for key in trusted}:
            raise FailedCheckError(
                f"{os.environ[Env.SIGNING_KEY_FILE]} is not the private key of a trusted key",
                f"add its public key to {os.environ[Env.TRUSTED_KEYS]}",
            )
    return f"{len(trusted)} trusted, {_signs()}"


def _signs() -> str:
    if path := os.environ.get(Env.SIGNING_KEY_FILE):
        return f"{Path(path).name} signs"
    return "Vault signs" if os.environ.get(Env.VAULT_ADDR) else "none signs"


def _tracking(settings: Settings) -> str:
    if settings.database is not None and not settings.database.is_file():
        raise FailedCheckError(f"there is no database {settings.database}", _SETUP)
    tracking = Tracking(settings.tracking_uri)
    experiments = tracking.ask(lambda: tracking.client.search_experiments(max_results=100), attempts=1)
    return f"{tracking.name} answers: {len(experiments)} experiments"


def _server(settings: Settings) -> str:
    if settings.database is None:
        return "not on this machine"
    try:
        ports.require_free(settings.port, PORT)
    except WorkloadError:
        return f"port {settings.port} is in use, by MLflow or by another program: see {PORT}"
    return f"port {settings.port} is free: `make start-mlflow` shows runs and models in the browser"


def _model(_: Settings) -> str:
    with tempfile.TemporaryDirectory(prefix="aegis-") as folder, _scratch_store(Path(folder)):
        with mlflow.start_run():
            logged = mlflow.pyfunc.log_model(
                name="doubler", python_model=example_model.__file__, pip_requirements=[], input_example=[1.0, 2.0]
            )
        predicted = mlflow.pyfunc.load_model(logged.model_uri).predict([21.0])
    if list(predicted) != [42.0]:
        raise FailedCheckError(f"it predicts {predicted!r} instead of [42.0]", "install requirements.txt again")
    return "a PyFunc model was made, logged, loaded, and predicts"


@contextlib.contextmanager
def _scratch_store(folder: Path) -> Iterator[None]:
    """Let MLflow log to a new folder, quietly."""
    uri = mlflow.get_tracking_uri()
    allowed = os.environ.get("MLFLOW_ALLOW_FILE_STORE")
    experiment = os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    level = logging.getLogger("mlflow").level
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        mlflow.set_tracking_uri((folder / "runs").as_uri())
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("mlflow").setLevel(level)
        mlflow.set_tracking_uri(uri)
        for name, value in (("MLFLOW_ALLOW_FILE_STORE", allowed), ("MLFLOW_EXPERIMENT_NAME", experiment)):
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


_CHECKS: Final[dict[str, Callable[[Settings], str]]] = {
    "Python": _python,
    "packages": _packages,
    "environment": _environment,
    "folder": _folder,
    "keys": _keys,
    "PyFunc model": _model,
    "MLflow": _tracking,
    "server": _server,
}
_REMEDIES: Final = {
    "keys": f"{_SETUP}, or save the stack's output `signing_keys` in the file",
    "MLflow": f"check {Env.TRACKING_URI}, and that MLflow runs there",
    "PyFunc model": "install requirements.txt again",
}

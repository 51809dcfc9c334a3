"""MLflow's tracking server in this process, with the gate, and model versions that are signed without Vault."""

import base64
import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from importlib import import_module
from pathlib import Path
from typing import Any

import uvicorn
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.server import handlers
from mlflow.server.constants import (
    ARTIFACT_ROOT_ENV_VAR,
    ARTIFACTS_DESTINATION_ENV_VAR,
    BACKEND_STORE_URI_ENV_VAR,
    SERVE_ARTIFACTS_ENV_VAR,
)
from mlflow.tracking._model_registry import utils as registry_utils

from aegis import evidence
from aegis.manifest import Manifest, PackedFile, SigningKey
from contracts import Env
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import copy_of_database, unique
from workloads.tracking.failures import Availability
from workloads.tracking.gate.store import GatedStore

ROOT = Path(__file__).parents[2]
# The folder with the entry points of the server's image.
ENTRY_POINTS = ROOT / "workloads" / "images" / "code"
FILES: Mapping[str, bytes] = {"MLmodel": b"flavors: {}\n", "data/weights.bin": bytes(range(256)) * 40}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer of the server."""

    status: int
    headers: Message
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return self.body.get("message", "")


@dataclass(frozen=True, kw_only=True)
class GatedServer:
    """A running server; `keys` is the folder of its trusted keys."""

    url: str
    keys: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.url, self.url)

    def call(self, method: str, path: str, **fields: object) -> Answer:
        """Send one request, without the retries of MLflow's client."""
        request = urllib.request.Request(  # noqa: S310 - the address of this server
            f"{self.url}/{path}",
            data=json.dumps(fields).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
                return Answer(status=response.status, headers=response.headers, body=json.load(response))
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, headers=error.headers, body=json.load(error))

    def trust(self, signer: LocalSigner, *versions: int) -> None:
        """Make the server trust these versions of the signer's key, and no other key."""
        pem = b"".join(signer.public_key(version).pem for version in versions)
        (self.keys / "new").write_bytes(pem)
        (self.keys / "new").rename(self.keys / "signing-keys.pem")


@contextmanager
def gated_server(folder: Path, *, guarded: bool = True) -> Iterator[GatedServer]:
    """Run a server with its artifacts and keys in `folder`, in this process."""
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    variables = {
        # Not the shared one: MLflow keeps the stores that it has opened, and this one is guarded.
        BACKEND_STORE_URI_ENV_VAR: copy_of_database(folder),
        ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        ARTIFACTS_DESTINATION_ENV_VAR: str(folder / "artifacts"),
        SERVE_ARTIFACTS_ENV_VAR: "true",
        # A request that fails is an answer that a test looks at.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for tests",
        Env.TRUSTED_KEYS: str(keys),
        Env.GUARDED_ALIASES: "champion,candidate,production" if guarded else "",
        Env.GUARDED_STAGES: "Staging,Production" if guarded else "",
    }
    with _environment(variables), _entry_points():
        _forget_stores()
        handlers._model_registry_store_registry = handlers.ModelRegistryStoreRegistryWrapper()
        config = uvicorn.Config(
            Availability(import_module("mlflow.server.fastapi_app").app), port=0, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield GatedServer(url=f"http://127.0.0.1:{port}", keys=keys)
        server.should_exit = True
        thread.join()
        _forget_stores()


@dataclass(frozen=True, kw_only=True)
class Version:
    """A model version; `folder` is the place of its files below the artifact store."""

    name: str
    number: str
    run_id: str
    folder: str


def gated_store() -> GatedStore:
    """Return the registry's store of the running server."""
    store = handlers._get_model_registry_store()
    assert isinstance(store, GatedStore)
    return store


class Models:
    """Makes models on a server whose artifacts are written with `put(path, content)`."""

    def __init__(self, client: MlflowClient, put: Any) -> None:
        self.client = client
        self.put = put
        self._experiment = client.create_experiment(unique("experiment"))

    def version(self, name: str | None = None, files: Mapping[str, bytes] = FILES, **options: Any) -> Version:
        """Register a new version that isn't signed, of a new model unless `name` is given."""
        model = name or unique("model")
        if name is None:
            self.client.create_registered_model(model)
        run_id = self.client.create_run(self._experiment).info.run_id
        folder = f"{self._experiment}/{run_id}/artifacts/model"
        for path, content in files.items():
            self.put(f"{folder}/{path}", content)
        source = options.pop("source", f"mlflow-artifacts:/{folder}")
        made = self.client.create_model_version(model, source, run_id, **options)
        return Version(name=model, number=str(made.version), run_id=run_id, folder=folder)

    def sign(self, version: Version, signer: LocalSigner, *, key: int = 1, **claims: Any) -> None:
        """Write the evidence into a version's tags; `claims` replaces what it says."""
        for name, value in tags(version, signer, key=key, **claims).items():
            self.client.set_model_version_tag(version.name, version.number, name, value)

    def signed(self, signer: LocalSigner, **options: Any) -> Version:
        """Register a new version and sign it."""
        version = self.version(**options)
        self.sign(version, signer)
        return version

    def read(self, version: Version) -> ModelVersion:
        return self.client.get_model_version(version.name, version.number)


def tags(
    version: Version,
    signer: LocalSigner,
    *,
    key: int = 1,
    model: str | None = None,
    run_id: str | None = None,
    files: Mapping[str, bytes] = FILES,
) -> dict[str, str]:
    """Return the tags with the evidence of a version."""
    packed = tuple(
        PackedFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in sorted(files.items())
    )
    manifest = Manifest(
        model=model or version.name,
        archive_sha256="0" * 64,
        archive_size=1,
        files=packed,
        source={"run_id": run_id or version.run_id},
        key=SigningKey(
            mount=signer.mount, name=signer.key, version=key, fingerprint=signer.public_key(key).fingerprint
        ),
    ).to_bytes()
    [signature] = signer.sign([hashlib.sha256(manifest).digest()], key)
    return evidence.to_tags(manifest, base64.b64encode(signature).decode())


def put_in(root: Path) -> Any:
    """Return a `put` that writes below a folder."""

    def put(path: str, content: bytes) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return put


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _forget_stores() -> None:
    """Forget the stores of this process, and the registry that a server makes the one of its process."""
    registry_utils._registry_uri = None
    handlers._tracking_store = handlers._model_registry_store = handlers._artifact_repo = None


@contextmanager
def _entry_points() -> Iterator[None]:
    sys.path.insert(0, str(ENTRY_POINTS))
    try:
        yield
    finally:
        sys.path.remove(str(ENTRY_POINTS))

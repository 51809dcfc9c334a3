"""A model version that is signed without Vault, in an SQLite store without a server."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient

from aegis import evidence
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import database, unique
from workloads.mlflow_client import Tracking
from workloads.signing import packing
from workloads.signing.layout import Layout

RUN_ID = "0123abcd" * 4


# A PyFunc model whose code leaves a file when it is imported.
_MLMODEL = """\
flavors:
  python_function:
    loader_module: {module}
    code: code
    python_version: 3.11.2
"""
_CODE = """\
from pathlib import Path

Path({marker!r}).touch()


class Doubler:
    def __init__(self, folder):
        self.folder = folder

    def predict(self, data, params=None):
        return data * 2


def _load_pyfunc(path):
    return Doubler(path)
"""


@dataclass
class Signed:
    """A signed version `number` of the model `name`; `files` is the folder that the registry serves for it."""

    client: MlflowClient
    name: str
    number: str
    files: Path
    marker: Path
    signer: LocalSigner

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.number}"

    @property
    def tags(self) -> dict[str, str]:
        return self.client.get_model_version(self.name, self.number).tags

    @property
    def key(self) -> list[Any]:
        return [self.signer.public_key()]

    def tag(self, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.client.set_model_version_tag(self.name, self.number, name, value)

    def sign(self, source: Path, *, run_id: str = RUN_ID, signer: LocalSigner | None = None) -> None:
        """Replace the version's evidence by that of other files."""
        self.tag(evidence_of(source, run_id, signer or self.signer))


def evidence_of(model_dir: Path, run_id: str, signer: LocalSigner) -> dict[str, str]:
    """Return the tags of `model_dir` as it is released, under its folder's name."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder, "model.tar.gz"))
        packing.package_and_sign(model_dir, layout.archive, {"run_id": run_id}, signer)
        return evidence.to_tags(layout.manifest.read_bytes(), layout.manifest_signature.read_text())


def write_model(folder: Path, marker: Path) -> None:
    module = unique("doubler").replace("-", "_")
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "MLmodel").write_text(_MLMODEL.format(module=module))
    (folder / "code" / f"{module}.py").write_text(_CODE.format(marker=str(marker)))
    (folder / "data" / "weights of é.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "empty").touch()


def signed_version(folder: Path) -> Signed:
    """Register a signed version with the alias `champion` in the store that is MLflow's tracking URI from now on."""
    tracking = Tracking(database(), create=True)
    assert mlflow.get_tracking_uri() == tracking.uri
    name = unique("model")
    files = folder / "artifacts" / name
    write_model(files, folder / "code-ran")
    signer = LocalSigner()
    client = tracking.client
    client.create_registered_model(name)
    tags = evidence_of(files, RUN_ID, signer)
    version = client.create_model_version(name, source=files.as_uri(), run_id=RUN_ID, tags=tags)
    client.set_registered_model_alias(name, "champion", version.version)
    return Signed(
        client=client,
        name=name,
        number=str(version.version),
        files=files,
        marker=folder / "code-ran",
        signer=signer,
    )

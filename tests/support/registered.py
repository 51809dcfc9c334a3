"""Signed versions of a registered model, as a release leaves them, for tests that decide about them."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import LoggedModelStatus

from aegis import evidence
from aegis.manifest import Manifest, PackedFile, SigningKey
from tests.support.local_signer import LocalSigner
from tests.support.tracking_store import unique
from workloads.mlflow_client import Tracking
from workloads.release import tags
from workloads.signing.keys import Signer


@dataclass(frozen=True, kw_only=True)
class SignedModel:
    """A new registered model of `tracking`, with the files of its versions in `folder`."""

    tracking: Tracking
    signer: LocalSigner
    folder: Path
    name: str = field(default_factory=lambda: unique("model"))

    def __post_init__(self) -> None:
        self.tracking.client.create_registered_model(self.name)

    def files(self, number: str) -> Path:
        """Return the folder of a version's files."""
        return self.folder / number / self.name

    def add(self, *, signed: bool = True, signer: Signer | None = None, run_id: str | None = None) -> str:
        """Register a version, of a run if one is given, with other files than the others', and return its number."""
        number = str(1 + len(self.tracking.client.search_model_versions(f"name = '{self.name}'")))
        files = self.files(number)
        files.mkdir(parents=True)
        (files / "MLmodel").write_text(f"flavors: {{}}\nversion: {number}\n")
        (files / "weights.bin").write_bytes(number.encode() * 1000)
        signature = self._sign(number, signer or self.signer, run_id) if signed else {}
        source, model_id = self._stored(files)
        self.tracking.client.create_model_version(self.name, source, run_id, tags=signature, model_id=model_id)
        return number

    def alias(self, alias: str) -> str | None:
        """Return the version that MLflow has for an alias."""
        version = self.tracking.client.get_registered_model(self.name).aliases.get(alias)
        return None if version is None else str(version)

    def move(self, alias: str, number: str) -> None:
        """Move an alias behind the back of the decisions."""
        self.tracking.client.set_registered_model_alias(self.name, alias, number)

    def _stored(self, files: Path) -> tuple[str, str | None]:
        """Return the address of the files for the registry; a tracking server takes only those that it stores."""
        if not self.tracking.uri.startswith("http"):
            return files.as_uri(), None
        client = self.tracking.client
        experiment = client.get_experiment_by_name(self.name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(self.name)
        logged = client.create_logged_model(experiment_id, name="model")
        client.log_model_artifacts(logged.model_id, str(files))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        return f"models:/{logged.model_id}", logged.model_id

    def _sign(self, number: str, signer: Signer, run_id: str | None) -> dict[str, str]:
        """Return the tags of a release; its archive, which no decision reads, isn't made."""
        ring = signer.key_ring()
        key = SigningKey(
            mount=signer.mount,
            name=signer.key,
            version=ring.latest,
            fingerprint=ring.versions[ring.latest].fingerprint,
        )
        contents = {path.name: path.read_bytes() for path in sorted(self.files(number).iterdir())}
        manifest = Manifest(
            model=self.name,
            archive_sha256="0" * 64,
            archive_size=0,
            files=tuple(
                PackedFile(path=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
                for name, content in contents.items()
            ),
            source={"run_id": run_id} if run_id else {},
            key=key,
        )
        [signature] = signer.sign([hashlib.sha256(manifest.to_bytes()).digest()], ring.latest)
        return {
            tags.CONTENT_SHA256: manifest.content_sha256,
            tags.ARCHIVE_URI: f"s3://releases/{self.name}/{number}/model.tar.gz",
            **evidence.to_tags(manifest.to_bytes(), base64.b64encode(signature).decode()),
        }

"""A model version in the registry, checked step by step: its evidence, the listing of its files, their contents."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from aegis import evidence, files, registry
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.manifest import Manifest, SigningKey


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedVersion:
    """A model version whose evidence and files were checked.

    `key` is the trusted key that signed it, and `signed_by` its name in the manifest. `deep` says whether the files'
    contents were read, or only their names and sizes listed.
    """

    name: str
    version: str
    manifest: Manifest
    key: PublicKey
    signed_by: SigningKey
    deep: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedVersion:
    """A model version with good evidence. Its files may still differ from the signed ones: see `listed` and `fetch`."""

    registered: ModelVersion
    signed: evidence.Signed
    client: MlflowClient

    def listed(self) -> ArtifactRepository:
        """Compare the names and sizes of the version's files with the signed ones, and return their repository.

        Raises:
            NotVerifiedError: They differ.
            MlflowException: The artifact store doesn't answer or refuses; some kinds of store raise other errors.
        """
        manifest = self.signed.manifest
        with naming(self.registered):
            repository = registry.stored_files(self.client, self.registered)
            # One more than the signed files is enough to find that one was added, however many there are.
            listing = itertools.islice(registry.listing(repository), len(manifest.files) + 1)
            files.check_listing(manifest, dict(listing))
        return repository

    def fetch(self, repository: ArtifactRepository, folder: Path) -> None:
        """Fetch the version's files into `folder`, and compare their contents with the signed ones.

        A call can be repeated after an error of the store.

        Raises:
            NotVerifiedError: They differ.
            MlflowException: The artifact store doesn't answer or refuses; some kinds of store raise other errors.
        """
        manifest = self.signed.manifest
        folder.mkdir(exist_ok=True)
        registry.fetch(repository, [file.path for file in manifest.files], folder)
        with naming(self.registered):
            files.check_folder(manifest, folder)

    def verified(self, *, deep: bool) -> VerifiedVersion:
        """Return the result of the checks."""
        return VerifiedVersion(
            name=self.registered.name,
            version=str(self.registered.version),
            manifest=self.signed.manifest,
            key=self.signed.key,
            signed_by=self.signed.signed_by,
            deep=deep,
        )


def find(client: MlflowClient, reference: registry.Reference, trusted: Sequence[PublicKey]) -> SignedVersion:
    """Return the version that `reference` names now, after checking that a key in `trusted` signed its evidence.

    Raises:
        NotVerifiedError: It isn't signed by a trusted key, or was signed as another model or run.
        MlflowException: The registry has no such version, or doesn't answer.
    """
    registered = registry.find(client, reference)
    with naming(registered):
        signed = evidence.check(registered, trusted)
    return SignedVersion(registered=registered, signed=signed, client=client)


@contextlib.contextmanager
def naming(registered: ModelVersion) -> Iterator[None]:
    """Name the version in the reasons of `NotVerifiedError`."""
    try:
        yield
    except NotVerifiedError as reason:
        raise NotVerifiedError(f"{registered.name} version {registered.version} is NOT verified: {reason}") from reason

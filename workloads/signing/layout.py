"""The names of the files beside an archive."""

from dataclasses import dataclass
from pathlib import Path

from contracts import Exit
from workloads.cli import WorkloadError

SUFFIX = ".tar.gz"


@dataclass(frozen=True)
class Layout:
    """An archive's path and the paths of everything that is written beside it."""

    archive: Path

    def __post_init__(self) -> None:
        if not self.archive.name.endswith(SUFFIX) or self.archive.name == SUFFIX:
            raise WorkloadError(f"{self.archive} is not a name of an archive: it must end in {SUFFIX}.", Exit.USAGE)

    @property
    def signature(self) -> Path:
        """The base64 DER signature that `cosign verify-blob --signature` and, decoded, openssl take."""
        return self._beside(".sig")

    @property
    def bundle(self) -> Path:
        """The Sigstore bundle that `cosign verify-blob --bundle` takes."""
        return self._beside(".sigstore.json")

    @property
    def manifest(self) -> Path:
        """What is in the archive and where it came from."""
        return self._beside(".manifest.json")

    @property
    def manifest_signature(self) -> Path:
        """The manifest's own base64 DER signature."""
        return self._beside(".manifest.json.sig")

    @property
    def model_signature(self) -> Path:
        """The OpenSSF signature of the model directory, `model.sig` for `model.tar.gz`."""
        return self.archive.with_name(self.archive.name.removesuffix(SUFFIX) + ".sig")

    @property
    def signatures(self) -> tuple[Path, ...]:
        """Every file that is worthless without the archive, the manifest aside."""
        return self.signature, self.bundle, self.manifest_signature, self.model_signature

    def public_key(self, version: int) -> Path:
        """Return the path of one key version's PEM public key; archives in one directory share it."""
        return self.archive.with_name(f"cosign-v{version}.pub")

    def _beside(self, suffix: str) -> Path:
        return self.archive.with_name(self.archive.name + suffix)

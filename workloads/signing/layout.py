"""The names of the files beside an archive."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from contracts import Exit
from workloads.cli import WorkloadError

SUFFIX = ".tar.gz"
_MANIFEST_SIGNATURE = ".manifest.json.sig"
# In bytes: NAME_MAX of Linux's file systems, less the longest suffix.
_LONGEST_NAME = 255 - len(_MANIFEST_SIGNATURE)


@dataclass(frozen=True)
class Layout:
    """An archive's path and the paths of everything that is written beside it.

    Raises:
        WorkloadError: The path isn't that of an archive, or its name leaves no room for the suffixes.
    """

    archive: Path

    def __post_init__(self) -> None:
        name = self.archive.name
        if not name.endswith(SUFFIX) or name == SUFFIX:
            raise WorkloadError(f"{self.archive} is not the name of an archive: it must end in {SUFFIX}.", Exit.USAGE)
        # The names beside `a.tar.gz.tar.gz` would be those beside `a.tar.gz`.
        if SUFFIX in name.removesuffix(SUFFIX):
            raise WorkloadError(f"{self.archive} is not the name of an archive: it holds {SUFFIX} twice.", Exit.USAGE)
        if (size := len(os.fsencode(name))) > _LONGEST_NAME:
            raise WorkloadError(
                f"The archive's name {name[:20]}... must have at most {_LONGEST_NAME} bytes, got {size}.", Exit.USAGE
            )

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
        """The manifest: the archive's content and origin."""
        return self._beside(".manifest.json")

    @property
    def manifest_signature(self) -> Path:
        """The base64 DER signature of the manifest."""
        return self._beside(_MANIFEST_SIGNATURE)

    @property
    def model_signature(self) -> Path:
        """The OpenSSF signature of the model directory, `model.sig` for `model.tar.gz`."""
        return self.archive.with_name(self.archive.name.removesuffix(SUFFIX) + ".sig")

    @property
    def signatures(self) -> tuple[Path, ...]:
        """Every file that is worthless without the archive, except the manifest."""
        return self.signature, self.bundle, self.manifest_signature, self.model_signature

    @property
    def next_manifest(self) -> Path:
        """The name of a manifest that waits for its archive, used only while both are replaced."""
        return self.archive.with_name(f"{self._hidden_prefix}.manifest")

    def public_key(self, version: int) -> Path:
        """Return the path of one key version's PEM public key; archives in one directory share it."""
        return self.archive.with_name(f"cosign-v{version}.pub")

    def hidden(self) -> Path:
        """Return a new name for an unfinished file."""
        return self.archive.with_name(f"{self._hidden_prefix}.{secrets.token_hex(8)}.part")

    def leftovers(self) -> list[Path]:
        """Return the unfinished files; they are abandoned if the archive has no other writer."""
        return list(self.archive.parent.glob(f"{self._hidden_prefix}.*.part"))

    @property
    def _hidden_prefix(self) -> str:
        # A digest has the same length for every archive's name.
        return f".aegis-{hashlib.sha256(os.fsencode(self.archive.name)).hexdigest()[:16]}"

    def _beside(self, suffix: str) -> Path:
        return self.archive.with_name(self.archive.name + suffix)

"""The tags of a model version: its evidence, and where its signed archive is."""

from collections.abc import Mapping
from typing import Final

from aegis import evidence
from workloads.cli import WorkloadError
from workloads.signing.layout import Layout
from workloads.signing.verification import Verified

ARCHIVE_URI: Final = "aegis.archive.uri"
ARCHIVE_SHA256: Final = "aegis.archive.sha256"
CONTENT_SHA256: Final = "aegis.content.sha256"
MANIFEST_URI: Final = "aegis.manifest.uri"
BUNDLE_URI: Final = "aegis.bundle.uri"
KEY_NAME: Final = "aegis.key.name"
KEY_VERSION: Final = "aegis.key.version"
KEY_FINGERPRINT: Final = "aegis.key.fingerprint"


def of(layout: Layout, verified: Verified, uris: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a verified archive; `uris` are the addresses of the uploaded files by name.

    Raises:
        WorkloadError: The manifest is too large for the tags.
    """
    return {
        # First, because a later release of the same version is compared with it.
        CONTENT_SHA256: verified.manifest.content_sha256,
        **_evidence(verified),
        ARCHIVE_URI: uris[layout.archive.name],
        MANIFEST_URI: uris[layout.manifest.name],
        BUNDLE_URI: uris[layout.bundle.name],
        ARCHIVE_SHA256: verified.manifest.archive_sha256,
        KEY_NAME: verified.signed_by.name,
        KEY_VERSION: str(verified.signed_by.version),
        KEY_FINGERPRINT: verified.signed_by.fingerprint,
    }


def _evidence(verified: Verified) -> dict[str, str]:
    signed = Layout(verified.archive)
    try:
        return evidence.to_tags(signed.manifest.read_bytes(), signed.manifest_signature.read_text())
    except ValueError as error:
        raise WorkloadError(f"{verified.archive.name} has too many files to be registered: {error}") from error

"""The tags of a model version that say where its signed archive is and how to verify it."""

from collections.abc import Mapping
from typing import Final

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
    """Return the tags of a verified archive; `uris` are the addresses of the uploaded files by name."""
    return {
        # First, because a later release of the same version is compared with it.
        CONTENT_SHA256: verified.manifest.content_sha256,
        ARCHIVE_URI: uris[layout.archive.name],
        MANIFEST_URI: uris[layout.manifest.name],
        BUNDLE_URI: uris[layout.bundle.name],
        ARCHIVE_SHA256: verified.manifest.archive_sha256,
        KEY_NAME: verified.signed_by.name,
        KEY_VERSION: str(verified.signed_by.version),
        KEY_FINGERPRINT: verified.signed_by.fingerprint,
    }

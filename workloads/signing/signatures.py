"""Sign an archive, and make the files that are written beside it as proof."""

import base64
import dataclasses
import hashlib
from pathlib import Path

from aegis.manifest import Manifest, SigningKey
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.signing import bundle, dsse, oms
from workloads.signing.keys import KeyRing, Signer
from workloads.signing.layout import Layout


def sign(layout: Layout, manifest: Manifest, signer: Signer, ring: KeyRing) -> tuple[Manifest, dict[Path, bytes]]:
    """Sign the archive that `manifest` describes; return the manifest with its key and the files to write, in order.

    One request signs the archive, the manifest and the OpenSSF statement with the newest key version, and each
    signature is checked with the public key before anything is written.

    Raises:
        WorkloadError: Vault is dead, refuses, or returns a signature that its public key doesn't accept.
    """
    version = ring.latest
    key = ring.versions[version]
    signed = dataclasses.replace(
        manifest,
        key=SigningKey(mount=signer.mount, name=signer.key, version=version, fingerprint=key.fingerprint),
    )
    archive_digest = bytes.fromhex(signed.archive_sha256)
    statement = oms.statement(signed.model, signed.files)
    digests = [archive_digest, hashlib.sha256(signed.to_bytes()).digest(), dsse.digest_to_sign(statement)]
    signatures = signer.sign(digests, version)
    if not all(key.accepts(signature, digest) for signature, digest in zip(signatures, digests, strict=True)):
        raise WorkloadError(f"Vault returned a signature that {key.name} does not accept.", Exit.VAULT)
    of_archive, of_manifest, of_model = signatures
    return signed, {
        layout.manifest: signed.to_bytes(),
        layout.manifest_signature: base64.b64encode(of_manifest),
        layout.model_signature: oms.make(key, statement, of_model),
        layout.signature: base64.b64encode(of_archive),
        layout.bundle: bundle.make(key, archive_digest, of_archive),
    }


def public_keys(layout: Layout, ring: KeyRing) -> dict[Path, bytes]:
    """Return the public key files to write beside an archive, by path."""
    return {layout.public_key(version): key.pem for version, key in sorted(ring.versions.items())}

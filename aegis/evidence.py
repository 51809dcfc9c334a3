"""The evidence of a model version: its signed manifest, in the version's tags.

In the tags, the evidence is where every client and the tracking server itself read it, needs no right to a bucket, and
is kept by a backup of the database.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aegis import manifest as manifests
from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey, signer_of
from aegis.manifest import Manifest, SigningKey
from aegis.strict import decode

# The manifest, compressed, in base64; a long one continues in `aegis.manifest.2` and so on.
MANIFEST: Final = "aegis.manifest"
# The signature (DER, in base64) over the SHA-256 of the manifest.
SIGNATURE: Final = "aegis.manifest.signature"

# In characters. MLflow allows 100,000 for a tag: MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH in mlflow/utils/validation.py.
_LONGEST_PART: Final = 90_000
# In bytes: a manifest of some 100,000 files. Limited because it is decompressed before it can be trusted.
_LARGEST_MANIFEST: Final = 16 << 20
# The number of parts, and the first part.
_FIRST_PART: Final = re.compile(r"([1-9][0-9]{0,2}):([A-Za-z0-9+/=]*)")


class Version(Protocol):
    """What the check needs of MLflow's `ModelVersion`."""

    @property
    def name(self) -> str:
        """The registered model's name."""
        ...

    @property
    def version(self) -> str | int:
        """The version's number."""
        ...

    @property
    def run_id(self) -> str | None:
        """The ID of the run that logged the model."""
        ...

    @property
    def tags(self) -> dict[str, str]:
        """The version's tags."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """Evidence that was checked: the manifest, the trusted `key` that signed it, and that key's name in Vault."""

    manifest: Manifest
    key: PublicKey
    signed_by: SigningKey


def to_tags(manifest: bytes, signature: str) -> dict[str, str]:
    """Return the tags that hold a manifest file and its signature (DER, in base64).

    Raises:
        ValueError: The manifest has more than 16 MiB.
    """
    if len(manifest) > _LARGEST_MANIFEST:
        raise ValueError(f"the manifest has {len(manifest)} bytes, and tags hold at most {_LARGEST_MANIFEST}.")
    text = base64.b64encode(zlib.compress(manifest, 9)).decode()
    first, *others = [text[start : start + _LONGEST_PART] for start in range(0, len(text), _LONGEST_PART)]
    parts = {_part(number): part for number, part in enumerate(others, start=2)}
    return {MANIFEST: f"{1 + len(others)}:{first}", **parts, SIGNATURE: signature}


def is_signed(tags: Mapping[str, str]) -> bool:
    """Return whether the tags claim a signature; only `check` shows that it is good."""
    return MANIFEST in tags and SIGNATURE in tags


def check(version: Version, trusted: Sequence[PublicKey]) -> Signed:
    """Check that a trusted key signed the version's manifest, for this model and this run.

    It says nothing of the version's files: compare those with the manifest, see `files`.

    Raises:
        NotVerifiedError: The version isn't signed, was signed with another key, or as another model or run.
    """
    content, signature = _read(version.tags)
    key = _signer(content, signature, trusted)
    manifest = manifests.parse(content, "its manifest")
    if manifest.key is None or manifest.key.fingerprint != key.fingerprint:
        raise NotVerifiedError(f"its manifest names another key than the one that signed it, {key.name}")
    if manifest.model != version.name:
        raise NotVerifiedError(f"it was signed as model {manifest.model!r}, not {version.name!r}")
    run_id = manifest.source.get("run_id")
    if (run_id or None) != (version.run_id or None):
        raise NotVerifiedError(f"it was signed as run {run_id!r}, not {version.run_id!r}")
    return Signed(manifest=manifest, key=key, signed_by=manifest.key)


def claimed(version: Version) -> Manifest:
    """Return the manifest in the version's tags, which anyone may have written: compare it with what is known.

    Raises:
        NotVerifiedError: The version isn't signed, or its tags hold no manifest.
    """
    content, _ = _read(version.tags)
    return manifests.parse(content, "its manifest")


def digest(tags: Mapping[str, str]) -> str:
    """Return a digest of the evidence in the tags; the same evidence needs no second check with the same keys."""
    return hashlib.sha256("\0".join(_evidence(tags)).encode("utf-8", "surrogatepass")).hexdigest()


def _evidence(tags: Mapping[str, str]) -> Iterable[str]:
    return (f"{name}={value}" for name, value in sorted(tags.items()) if name.startswith(MANIFEST))


def _part(number: int) -> str:
    return f"{MANIFEST}.{number}"


def _read(tags: Mapping[str, str]) -> tuple[bytes, bytes]:
    if not is_signed(tags):
        raise NotVerifiedError("it is not signed")
    first = _FIRST_PART.fullmatch(tags[MANIFEST])
    if first is None:
        raise NotVerifiedError(f"its tag {MANIFEST} is not a manifest")
    numbers = range(2, int(first[1]) + 1)
    missing = [_part(number) for number in numbers if _part(number) not in tags]
    if missing:
        raise NotVerifiedError(f"its tag {missing[0]} is missing")
    text = first[2] + "".join(tags[_part(number)] for number in numbers)
    return _decompress(decode(text, f"its tag {MANIFEST}")), decode(tags[SIGNATURE], f"its tag {SIGNATURE}")


def _decompress(compressed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(compressed, _LARGEST_MANIFEST + 1)
    except zlib.error as error:
        raise NotVerifiedError(f"its tag {MANIFEST} can't be decompressed") from error
    if not stream.eof or stream.unused_data or len(content) > _LARGEST_MANIFEST:
        raise NotVerifiedError(f"its tag {MANIFEST} is cut off or holds more than {_LARGEST_MANIFEST >> 20} MiB")
    return content


def _signer(content: bytes, signature: bytes, trusted: Sequence[PublicKey]) -> PublicKey:
    if key := signer_of(signature, hashlib.sha256(content).digest(), trusted):
        return key
    names = ", ".join(key.name for key in trusted) or "none"
    raise NotVerifiedError(f"its manifest was changed, or signed with a key that isn't trusted (trusted: {names})")

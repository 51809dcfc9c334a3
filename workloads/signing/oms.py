"""The OpenSSF model signature (OMS v1) of a model directory, as `model_signing verify key` reads it.

Format: https://github.com/ossf/model-signing-spec as model-signing 1.1.1 implements it: a DSSE envelope in a Sigstore
bundle, over an in-toto statement with the digest of each file, as computed while packaging.
"""

import hashlib
import json
from collections.abc import Sequence

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.manifest import PackedFile
from aegis.strict import parse_json, to_json
from workloads.signing import bundle, dsse

_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# What model-signing ignores at the top of a model directory unless told otherwise.
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


def statement(model: str, files: Sequence[PackedFile]) -> bytes:
    """Return the in-toto statement over `files`, which are sorted by the parts of their paths."""
    covered = _covered(files)
    root = hashlib.sha256(b"".join(bytes.fromhex(file.sha256) for file in covered)).hexdigest()
    content = {
        "_type": dsse.STATEMENT_TYPE,
        "subject": [{"name": model, "digest": {"sha256": root}}],
        "predicateType": _PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(_IGNORED),
            },
            "resources": [{"name": f.path, "algorithm": "sha256", "digest": f.sha256} for f in covered],
        },
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def make(key: PublicKey, payload: bytes, signature: bytes) -> bytes:
    """Return the signature file: `payload` and its `signature` (DER) in a Sigstore bundle."""
    return _envelope(key.oms_hint, payload, signature)


def check(content: bytes, *, name: str, key: PublicKey, model: str, files: Sequence[PackedFile]) -> None:
    """Check that a signature file signs exactly `files` with `key`, in exactly the form that `make` writes.

    Raises:
        NotVerifiedError: It doesn't; the reason calls the file `name`.
    """
    payload, signature = _signed(content, name)
    if not key.accepts(signature, dsse.digest_to_sign(payload)):
        raise NotVerifiedError(f"{name} holds no valid signature of {key.name}.")
    if payload != statement(model, files):
        raise NotVerifiedError(f"{name} signs different files than the manifest.")
    if content != make(key, payload, signature):
        raise NotVerifiedError(f"{name} is not a model signature of {key.name} in the form that signing writes.")


def signs(content: bytes, model: str, files: Sequence[PackedFile]) -> bool:
    """Return whether `content` is a signature file that `make` wrote for `files`, with any key."""
    try:
        payload, signature = _signed(content, "it")
        hint = parse_json(content, "it")["verificationMaterial"]["publicKey"]["hint"]
    except (NotVerifiedError, KeyError, TypeError):
        return False
    return payload == statement(model, files) and content == _envelope(hint, payload, signature)


def _signed(content: bytes, name: str) -> tuple[bytes, bytes]:
    """Return the payload and the signature that a file claims to hold."""
    fields = parse_json(content, name)
    try:
        return dsse.contents(fields["dsseEnvelope"], name)
    except KeyError as error:
        raise NotVerifiedError(f"{name} is not a model signature: {error} is missing.") from error


def _envelope(hint: str, payload: bytes, signature: bytes) -> bytes:
    return to_json(
        {
            "mediaType": bundle.MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": dsse.envelope(payload, signature),
        }
    )


def _covered(files: Sequence[PackedFile]) -> list[PackedFile]:
    return [file for file in files if file.path.split("/", 1)[0] not in _IGNORED]

"""The Sigstore bundle v0.3 of a blob's signature, as `cosign verify-blob --key K --bundle B` reads it.

Format: sigstore/protobuf-specs `Bundle` with a `messageSignature`, and a public key's hint in place of a certificate.
Nothing is in a transparency log, so verify with `--insecure-ignore-tlog=true`.

Not made with sigstore-models, whose model requires `tlogEntries`: that would change the bytes, which verification
compares, and its import takes as long as that of the whole command.
"""

import base64

from aegis.errors import NotVerifiedError
from aegis.keys import PublicKey
from aegis.strict import decode, parse_json, to_json

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def make(key: PublicKey, digest: bytes, signature: bytes) -> bytes:
    """Return the bundle of `signature` (DER) over the SHA-256 `digest`, made with `key`."""
    return to_json(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": key.cosign_hint}},
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": base64.b64encode(digest).decode()},
                "signature": base64.b64encode(signature).decode(),
            },
        }
    )


def check(content: bytes, *, name: str, key: PublicKey, digest: bytes) -> None:
    """Check that a bundle signs `digest` with `key`, in exactly the form that `make` writes.

    Raises:
        NotVerifiedError: It doesn't; the reason calls the bundle `name`.
    """
    fields = parse_json(content, name)
    try:
        message = fields["messageSignature"]
        claimed = decode(message["messageDigest"]["digest"], name)
        signature = decode(message["signature"], name)
    except (KeyError, TypeError) as error:
        raise NotVerifiedError(f"{name} is not a Sigstore bundle of a blob: {error} is missing or wrong.") from error
    if claimed != digest:
        raise NotVerifiedError(f"{name} signs a different digest than the archive's.")
    if not key.accepts(signature, digest):
        raise NotVerifiedError(f"{name} holds no valid signature of {key.name}.")
    if content != make(key, digest, signature):
        raise NotVerifiedError(f"{name} is not a {MEDIA_TYPE} of {key.name} in the form that signing writes.")

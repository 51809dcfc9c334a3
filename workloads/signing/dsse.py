"""Signed in-toto statements in DSSE envelopes: https://github.com/secure-systems-lab/dsse/blob/master/envelope.md."""

import base64
import hashlib
from typing import Any, Final

from aegis.errors import NotVerifiedError
from aegis.strict import decode

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"


def digest_to_sign(payload: bytes) -> bytes:
    """Return the digest to sign: the SHA-256 of the payload's pre-authentication encoding."""
    encoded = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    return hashlib.sha256(encoded).digest()


def envelope(payload: bytes, signature: bytes, key_id: str = "") -> dict[str, Any]:
    """Return the envelope of `payload` with its `signature` (DER); `key_id` only helps to find the key."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": key_id}],
    }


def contents(envelope: Any, name: str) -> tuple[bytes, bytes]:  # noqa: ANN401 - any JSON value
    """Return the payload and the signature that an envelope claims to hold; messages call it `name`.

    Raises:
        NotVerifiedError: It isn't an envelope.
    """
    try:
        return decode(envelope["payload"], name), decode(envelope["signatures"][0]["sig"], name)
    except (KeyError, TypeError, IndexError) as error:
        raise NotVerifiedError(f"{name} is not a signed statement: it needs a payload and a signature.") from error

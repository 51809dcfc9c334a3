"""What Vault's transit engine answers, read as strictly as anything that comes over a network.

Format: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import base64
import binascii
from typing import Any

from workloads.cli import WorkloadError
from workloads.signing import keys
from workloads.signing.signer import KeyRing

KEY_TYPE = "ecdsa-p256"


class AnswerError(Exception):
    """Vault answered something else than was asked for; the text says what."""


def key_ring(answer: Any, key: str) -> KeyRing:  # noqa: ANN401 - whatever was answered
    """Return the public keys in the answer to "read key".

    Raises:
        AnswerError: There are none, or the key is of another type.
    """
    data = _object(_object(answer, "answer").get("data"), "data")
    if (kind := data.get("type")) != KEY_TYPE:
        raise AnswerError(f"the key {key} is of type {kind}, not {KEY_TYPE}")
    versions = {
        _number(version): _public_key(_object(entry, "key"), f"{key} version {version}")
        for version, entry in _object(data.get("keys"), "keys").items()
    }
    latest = data.get("latest_version")
    if not isinstance(latest, int) or latest not in versions:
        raise AnswerError(f"there is no public key of the newest version, {latest!r}")
    return KeyRing(latest=latest, versions=versions)


def signatures(answer: Any, version: int, count: int) -> list[bytes]:  # noqa: ANN401 - whatever was answered
    """Return the `count` DER signatures in the answer to "sign".

    Raises:
        AnswerError: There are fewer or more, or another version of the key made one.
    """
    results = _object(_object(answer, "answer").get("data"), "data").get("batch_results")
    if not isinstance(results, list) or len(results) != count:
        raise AnswerError(f"there are not {count} signatures")
    return [_signature(_object(result, "signature"), version) for result in results]


def _signature(result: dict[str, Any], version: int) -> bytes:
    if error := result.get("error"):
        raise AnswerError(f"it does not sign: {error}")
    # The form is `vault:v<version>:<base64>`.
    _, _, tail = str(result.get("signature")).partition(":")
    signed_by, _, encoded = tail.partition(":")
    if signed_by != f"v{version}":
        raise AnswerError(f"version {signed_by} of the key signed, asked was v{version}")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AnswerError("a signature is not base64") from error


def _public_key(entry: dict[str, Any], name: str) -> keys.PublicKey:
    pem = entry.get("public_key")
    if not isinstance(pem, str) or not pem.isascii():
        raise AnswerError(f"{name} has no public key")
    try:
        return keys.parse(pem.encode(), name)
    except WorkloadError as error:
        raise AnswerError(str(error)) from error


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerError(f"{name} is no JSON object")
    return value


def _number(version: str) -> int:
    if not version.isascii() or not version.isdecimal() or len(version) > len(str(1 << 31)):
        raise AnswerError(f"{version!r} is no version of a key")
    return int(version)

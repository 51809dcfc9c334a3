"""Names for resources whose program gives none."""

import hashlib
import secrets


def unique(prefix: str, seed: bytes, digits: int = 8) -> str:
    """`prefix` and `digits` hexadecimal digits: the same ones for the same seed, so that a preview tells the real name."""
    if not seed:
        return prefix + secrets.token_hex(digits)[:digits]
    return prefix + hashlib.sha256(seed + prefix.encode()).hexdigest()[:digits]

"""Names for resources whose program gives none."""

import hashlib
import secrets


def unique(prefix: str, seed: bytes, digits: int = 8) -> str:
    """Return `prefix` and some hexadecimal digits, the same ones for the same seed; without a seed, any."""
    if not seed:
        return prefix + secrets.token_hex(digits)[:digits]
    return prefix + hashlib.sha256(seed + prefix.encode()).hexdigest()[:digits]

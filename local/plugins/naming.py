"""Automatic names for resources that the program leaves unnamed."""

import hashlib
import secrets


def unique(prefix: str, seed: bytes, digits: int = 8) -> str:
    """Return `prefix` followed by hexadecimal digits, derived from the seed if there is one, else random."""
    if not seed:
        return prefix + secrets.token_hex(digits)[:digits]
    return prefix + hashlib.sha256(seed + prefix.encode()).hexdigest()[:digits]

"""The names under which a signed conversion tells its source and its parity with PyTorch."""

from typing import Final

# Keys of the `source` in its signed manifest.
CONVERTED_FROM: Final = "converted_from"
CONTENT_SHA256: Final = "content_sha256"
PARITY: Final = "parity"
PRECISION: Final = "precision"

# The tag of its version with the digest of the source's files, by which it is found.
SOURCE_SHA256_TAG: Final = "aegis.source.sha256"

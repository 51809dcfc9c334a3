"""KMS keys change their material each year."""

from collections.abc import Iterator
from typing import Final

from policy.known import UNKNOWN, differs
from policy.resource import Resource
from policy.rule import each


def _rotation(key: Resource) -> Iterator[str]:
    # AWS rotates no asymmetric keys, and none that authenticate messages.
    symmetric = key.get("customerMasterKeySpec") in (None, UNKNOWN, "SYMMETRIC_DEFAULT")
    if symmetric and differs(key.get("enableKeyRotation"), wanted=True):
        yield "enableKeyRotation is not true."


RULES: Final = (
    each(
        "key-rotates",
        "A KMS key is rotated by AWS. Set enableKeyRotation to true.",
        ("aws:kms/key:Key",),
        _rotation,
    ),
)

"""Kubernetes quantities of memory, volumes and CPUs."""

import re
from typing import Final

# Binary suffixes, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_MEBIBYTES: Final = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}
_QUANTITY: Final = re.compile(r"([1-9][0-9]*)(Mi|Gi|Ti)")
# The largest gp3 volume is 16 TiB: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
MOST_VOLUME_GIB: Final = 16 * 1024


def mebibytes(quantity: str) -> int:
    """Return the size of `quantity`, such as `512Mi`, in MiB.

    Raises:
        ValueError: The quantity isn't a whole number of Mi, Gi or Ti.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"a size must be a whole number of Mi, Gi or Ti, such as 20Gi, got {quantity!r}.")
    return int(match[1]) * _MEBIBYTES[match[2]]


def millicores(quantity: str) -> int:
    """Return the thousandths of a CPU in `quantity`, such as `250m` or `2`.

    Raises:
        ValueError: The quantity isn't a whole number of CPUs or of thousandths.
    """
    number, unit = quantity.removesuffix("m"), quantity.endswith("m")
    return int(number) * (1 if unit else 1000)


def gibibytes(quantity: str) -> float:
    """Return the size of `quantity` in GiB; raises as `mebibytes` does."""
    return mebibytes(quantity) / 1024

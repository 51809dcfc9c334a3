"""The one error of verification: why an archive or one of its signatures cannot be trusted."""

from contracts import Exit
from workloads.cli import WorkloadError


class NotVerifiedError(WorkloadError):
    """What was checked is not what was signed; the text is the reason, and the process exits with `NOT_VERIFIED`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Exit.NOT_VERIFIED)

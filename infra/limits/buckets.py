"""Rules of the platform's buckets in AWS."""

from typing import Final

import contracts

# The purpose in each bucket's name, by the name under which the workloads know the bucket.
PURPOSES: Final = {
    contracts.ARTIFACTS_BUCKET: "artifacts",
    contracts.BACKUPS_BUCKET: "backups",
    contracts.RELEASES_BUCKET: "releases",
}
# The purpose of the bucket of access logs.
LOGS: Final = "logs"

# The fewest days in STANDARD before STANDARD_IA:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
SOONEST_COLD_DAYS: Final = 30


def lock_fits(lock_days: int | None, retention_days: int) -> bool:
    """Return whether a backup can be removed when it is due: a longer lock would keep it, and charge for it."""
    return lock_days is None or 1 <= lock_days <= retention_days

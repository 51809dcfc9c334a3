"""The names of the platform's buckets in AWS, and the limits of their lifecycle rules and locks."""

from typing import Final

import contracts

# The purpose in the name of each bucket, by the name that the workloads use for the bucket.
PURPOSES: Final = {
    contracts.ARTIFACTS_BUCKET: "artifacts",
    contracts.BACKUPS_BUCKET: "backups",
    contracts.RELEASES_BUCKET: "releases",
}
# The purpose in the name of the bucket of access logs.
LOGS: Final = "logs"

# The fewest days in STANDARD before objects may move to STANDARD_IA:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
SOONEST_COLD_DAYS: Final = 30


def lock_fits(lock_days: int | None, retention_days: int) -> bool:
    """Return whether the lock ends before a backup set is due for deletion: a longer lock would keep it, at a cost."""
    return lock_days is None or 1 <= lock_days <= retention_days

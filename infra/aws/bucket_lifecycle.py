"""Life-cycle rules: what S3 deletes and moves by itself, in days."""

from collections.abc import Sequence
from typing import Final

from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict as Rule
from pulumi_aws.s3 import BucketLifecycleConfigurationRuleFilterArgsDict as Filter

_COLDER_AFTER_DAYS: Final = 90

# No upload of a workload takes longer, and nobody sees the parts of one that was given up.
_UPLOAD_DAYS: Final = 7
# How long a deletion or an overwrite, by mistake or by an intruder, can be undone.
_OLD_VERSION_DAYS: Final = 30
_BACKUP_MARGIN_DAYS: Final = 30


def housekeeping(expire_after_days: int | None = None) -> list[Rule]:
    """Return the rules of every bucket; objects expire only where a number of days is given.

    To expire is to become an old version: it is gone only when that has expired, too.
    """
    return [
        {
            "id": "abandoned-uploads",
            "status": "Enabled",
            "filter": _objects(),
            "abort_incomplete_multipart_upload": {"days_after_initiation": _UPLOAD_DAYS},
        },
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": _objects(),
            "noncurrent_version_expiration": {"noncurrent_days": _OLD_VERSION_DAYS},
            # Either one: S3 refuses both, and clears the markers that are left by the days, too.
            "expiration": (
                {"expired_object_delete_marker": True} if expire_after_days is None else {"days": expire_after_days}
            ),
        },
    ]


def backups(retention_days: int) -> list[Rule]:
    """Return the rules of the backups bucket, where pruning decides and S3 only clears up what it has left.

    Pruning knows which backups are whole, and never deletes the best of the newest. S3 knows their age alone: if it
    came first, a schedule that has failed unnoticed would cost the last backup. So it comes a month later, and what it
    takes can be brought back for another month.
    """
    return housekeeping(expire_after_days=retention_days + _BACKUP_MARGIN_DAYS)


def cold_storage(prefixes: Sequence[str], after_days: int) -> list[Rule]:
    """Return the rules that move what lies below `prefixes` to cheaper classes, from which it is still read at once."""
    return [
        {
            "id": f"cold-{prefix}",
            "status": "Enabled",
            "filter": _objects(f"{prefix}/"),
            "transitions": [
                {"days": after_days, "storage_class": "STANDARD_IA"},
                {"days": after_days + _COLDER_AFTER_DAYS, "storage_class": "GLACIER_IR"},
            ],
        }
        for prefix in prefixes
    ]


def _objects(prefix: str = "") -> Filter:
    # S3 wants a filter in each rule; the empty prefix is that of all objects.
    return {"prefix": prefix}

"""Lifecycle rules of buckets: what S3 deletes or moves by itself, and after how many days."""

from collections.abc import Sequence
from typing import Final

from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict as Rule
from pulumi_aws.s3 import BucketLifecycleConfigurationRuleFilterArgsDict as Filter

_COLDER_AFTER_DAYS: Final = 90

# No upload of a workload takes longer. The parts of an abandoned upload are in no listing, but cost money.
_UPLOAD_DAYS: Final = 7
# A deletion or an overwrite, by mistake or by an intruder, can be undone for this long.
_OLD_VERSION_DAYS: Final = 30
_BACKUP_MARGIN_DAYS: Final = 30


def housekeeping(expire_after_days: int | None = None) -> list[Rule]:
    """Return the rules of every bucket; objects expire only if `expire_after_days` is given.

    An object that expires becomes an old version, and is deleted for good when the old version expires too.
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
            # S3 refuses a rule with both. `days` also removes the delete markers that are left over.
            "expiration": (
                {"expired_object_delete_marker": True} if expire_after_days is None else {"days": expire_after_days}
            ),
        },
    ]


def backups(retention_days: int) -> list[Rule]:
    """Return the rules of the backups bucket: S3 expires only what pruning should have deleted a month before.

    Pruning always keeps the last verified backup set, or the last complete one if none is verified. S3 knows only the
    age: if it expired backup sets first, a schedule that fails unnoticed would lose the last one. An expired backup set
    can be restored from its old versions for another month.
    """
    return housekeeping(expire_after_days=retention_days + _BACKUP_MARGIN_DAYS)


def cold_storage(prefixes: Sequence[str], after_days: int) -> list[Rule]:
    """Return the rules that move the objects below `prefixes` to cheaper storage classes that still read instantly."""
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
    # S3 requires a filter in each rule; the empty prefix matches all objects.
    return {"prefix": prefix}

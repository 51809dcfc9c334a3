"""AWS S3 buckets. The settings of a bucket are separate resources."""

from typing import Any, Final

from local.plugins.aws.client import Aws, Client, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, changed, fields, tags
from local.plugins.provider import PluginError
from local.plugins.values import Bag

# A HEAD response has no body, so its error code is the HTTP status.
_GONE: Final = ("NoSuchBucket", "404")
# https://docs.aws.amazon.com/general/latest/gr/s3.html, for the regions that the project's stacks are likely to use.
_WEBSITE_ZONES: Final = {
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
}


class Bucket(Kind):
    """`aws.s3.Bucket`: its id is its name."""

    fields = fields(
        optional={"bucket": None, "forceDestroy": False, "objectLockEnabled": False},
        computed=("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "hostedZoneId"),
        replacing=("bucket", "objectLockEnabled"),
        write_only=("forceDestroy",),
    )
    named = "bucket"

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"bucket": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the bucket."""
        name = inputs["bucket"]
        s3 = aws.client("s3")
        if found(lambda: s3.head_bucket(Bucket=name), *_GONE) is not None:
            # In us-east-1, creating a bucket that this account already owns succeeds.
            message = f"{name}: BucketAlreadyOwnedByYou: the bucket already exists and doesn't belong to this stack"
            raise PluginError(message)
        arguments: dict[str, Any] = {"Bucket": name, "ObjectLockEnabledForBucket": inputs["objectLockEnabled"]}
        if aws.region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": aws.region}
        s3.create_bucket(**arguments)
        return name

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Wait until the bucket is visible, then set its tags."""
        aws.wait("s3", "bucket_exists", 120, Bucket=identity)
        if inputs.get("tags"):
            aws.client("s3").put_bucket_tagging(Bucket=identity, Tagging={"TagSet": tag_list(inputs["tags"])})

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the bucket."""
        s3 = aws.client("s3")
        head = found(lambda: s3.head_bucket(Bucket=identity), *_GONE)
        if head is None:
            return None
        lock = found(lambda: s3.get_object_lock_configuration(Bucket=identity), "ObjectLockConfigurationNotFoundError")
        tagging = found(lambda: s3.get_bucket_tagging(Bucket=identity), "NoSuchTagSet")
        region = head.get("BucketRegion") or aws.region
        suffix = "amazonaws.com.cn" if aws.partition == "aws-cn" else "amazonaws.com"
        return {
            "bucket": identity,
            "arn": f"arn:{aws.partition}:s3:::{identity}",
            "bucketDomainName": f"{identity}.s3.{suffix}",
            "bucketRegion": region,
            "bucketRegionalDomainName": f"{identity}.s3.{region}.{suffix}",
            "hostedZoneId": _WEBSITE_ZONES.get(region, ""),
            "objectLockEnabled": bool(lock and lock["ObjectLockConfiguration"].get("ObjectLockEnabled")),
            **tags(tag_map(tagging["TagSet"] if tagging else [])),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Replace the tags, which S3 stores as one set."""
        if not changed(old, new, "tags"):
            return
        s3 = aws.client("s3")
        if new.get("tags"):
            s3.put_bucket_tagging(Bucket=identity, Tagging={"TagSet": tag_list(new["tags"])})
        else:
            s3.delete_bucket_tagging(Bucket=identity)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the bucket. With `forceDestroy`, delete all versions of all objects first."""
        s3 = aws.client("s3")
        if found(lambda: s3.head_bucket(Bucket=identity), *_GONE) is None:
            return
        if inputs["forceDestroy"]:
            _empty(s3, identity, locked=inputs["objectLockEnabled"])
        found(lambda: s3.delete_bucket(Bucket=identity), *_GONE)


def _empty(s3: Client, bucket: str, *, locked: bool) -> None:
    """Delete all versions and delete markers, one listed page at a time, bypassing locks in governance mode."""
    bypass = {"BypassGovernanceRetention": True} if locked else {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not versions:
            continue
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}, **bypass)
        for error in answer.get("Errors", []):
            message = f"{bucket}: {error['Key']}: {error['Code']}: {error['Message']}"
            raise PluginError(message)

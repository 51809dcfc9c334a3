"""The settings of an AWS S3 bucket. Each kind of setting is a resource whose id is the bucket's name."""

from abc import abstractmethod
from typing import Any, ClassVar, Final

from local.plugins.aws.client import Aws, code, found
from local.plugins.aws.documents import from_aws, to_aws
from local.plugins.aws.kind import Kind, fields
from local.plugins.provider import PluginError
from local.plugins.values import Bag

_NO_BUCKET: Final = "NoSuchBucket"
_NAMES: Final = {
    "id": "ID",
    "kmsMasterKeyId": "KMSMasterKeyID",
    "replicaKmsKeyId": "ReplicaKmsKeyID",
    "sseAlgorithm": "SSEAlgorithm",
}


class Setting(Kind):
    """One setting of a bucket, which is always written, read and deleted as a whole."""

    # S3's error code when the bucket doesn't have the setting.
    unset: ClassVar[str] = ""

    def blocks_new(self, old: Bag, new: Bag) -> bool:
        """Return whether both are for the same bucket, which has only one setting of each kind."""
        return old["bucket"] == new["bucket"]

    def locate(self, identity: str) -> Bag:
        """Return the bucket, which is the id."""
        return {"bucket": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Write the setting."""
        self.put(aws, inputs["bucket"], inputs)
        return inputs["bucket"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the setting."""
        properties = found(lambda: self.get(aws, identity), _NO_BUCKET, self.unset)
        return None if properties is None else {"bucket": identity} | properties

    def update(self, aws: Aws, identity: str, _old: Bag, new: Bag) -> None:
        """Replace the setting."""
        self.put(aws, identity, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Remove the setting."""
        found(lambda: self.drop(aws, identity, inputs), _NO_BUCKET, self.unset)

    @abstractmethod
    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the setting."""

    @abstractmethod
    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Return the setting with Pulumi's names, or None if the bucket doesn't have it."""

    @abstractmethod
    def drop(self, aws: Aws, bucket: str, inputs: Bag, /) -> None:
        """Remove the setting."""


def _setting(*required: str, optional: dict[str, Any] | None = None, **roles: Any) -> Any:  # noqa: ANN401 - passed on.
    return fields(required=("bucket", *required), optional=optional, replacing=("bucket",), tagged=False, **roles)


class Versioning(Setting):
    """`aws.s3.BucketVersioning`. It can only be suspended, not removed."""

    fields = _setting("versioningConfiguration")

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Enable or suspend versioning. "Disabled" is only valid for a bucket that never had it."""
        configuration = to_aws(inputs["versioningConfiguration"], _NAMES)
        if configuration["Status"] != "Disabled":
            aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration=configuration)
        elif self.get(aws, bucket) != {"versioningConfiguration": {"status": "Disabled"}}:
            message = f"{bucket}: versioning can't be Disabled once it was enabled, only Suspended"
            raise PluginError(message)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the status, which S3 omits for a bucket that never had versioning."""
        answer = aws.client("s3").get_bucket_versioning(Bucket=bucket)
        status = {"status": answer.get("Status", "Disabled")}
        multi_factor = {"mfaDelete": answer["MFADelete"]} if answer.get("MFADelete") else {}
        return {"versioningConfiguration": status | multi_factor}

    def drop(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Suspend versioning, except on a bucket with object lock, which requires it."""
        if inputs["versioningConfiguration"]["status"] != "Enabled":
            return
        try:
            suspended = {"Status": "Suspended"}
            aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration=suspended)
        except Exception as error:
            if code(error) != "InvalidBucketState":
                raise


class Encryption(Setting):
    """`aws.s3.BucketServerSideEncryptionConfiguration`."""

    fields = _setting("rules")
    unset = "ServerSideEncryptionConfigurationNotFoundError"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the rules."""
        configuration = to_aws({"rules": inputs["rules"]}, _NAMES)
        aws.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configuration)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the rules."""
        answer = aws.client("s3").get_bucket_encryption(Bucket=bucket)
        return from_aws({"Rules": answer["ServerSideEncryptionConfiguration"]["Rules"]}, _NAMES)

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Restore S3's default encryption."""
        aws.client("s3").delete_bucket_encryption(Bucket=bucket)


class PublicAccessBlock(Setting):
    """`aws.s3.BucketPublicAccessBlock`."""

    _FLAGS: ClassVar = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    fields = _setting(
        optional={**dict.fromkeys(_FLAGS, False), "skipDestroy": False},
        write_only=("skipDestroy",),
    )
    unset = "NoSuchPublicAccessBlockConfiguration"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the four flags."""
        flags = to_aws({name: inputs[name] for name in self._FLAGS}, _NAMES)
        aws.client("s3").put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=flags)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the four flags."""
        answer = aws.client("s3").get_public_access_block(Bucket=bucket)
        return from_aws(answer["PublicAccessBlockConfiguration"], _NAMES)

    def drop(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Delete it, unless `skipDestroy` is set."""
        if not inputs["skipDestroy"]:
            aws.client("s3").delete_public_access_block(Bucket=bucket)


class OwnershipControls(Setting):
    """`aws.s3.BucketOwnershipControls`."""

    fields = _setting("rule")
    unset = "OwnershipControlsNotFoundError"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the one rule."""
        controls = {"Rules": [to_aws(inputs["rule"], _NAMES)]}
        aws.client("s3").put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the one rule."""
        answer = aws.client("s3").get_bucket_ownership_controls(Bucket=bucket)
        return {"rule": from_aws(answer["OwnershipControls"]["Rules"][0], _NAMES)}

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Delete it."""
        aws.client("s3").delete_bucket_ownership_controls(Bucket=bucket)


class Lifecycle(Setting):
    """`aws.s3.BucketLifecycleConfiguration`."""

    fields = _setting(
        "rules", optional={"transitionDefaultMinimumObjectSize": "all_storage_classes_128K", "timeouts": None}
    )
    unset = "NoSuchLifecycleConfiguration"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the rules."""
        # S3 requires a filter or the deprecated prefix in each rule.
        rules = [{**({} if "prefix" in rule else {"filter": {}}), **rule} for rule in inputs["rules"]]
        aws.client("s3").put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration=to_aws({"rules": rules}, _NAMES),
            TransitionDefaultMinimumObjectSize=inputs["transitionDefaultMinimumObjectSize"],
        )

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the rules."""
        answer = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)
        size = answer.get("TransitionDefaultMinimumObjectSize")
        return from_aws({"Rules": answer["Rules"]}, _NAMES) | (
            {"transitionDefaultMinimumObjectSize": size} if size else {}
        )

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Delete the rules."""
        aws.client("s3").delete_bucket_lifecycle(Bucket=bucket)


class Policy(Setting):
    """`aws.s3.BucketPolicy`."""

    fields = _setting("policy", documents=("policy",))
    unset = "NoSuchBucketPolicy"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the policy."""
        aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the policy."""
        return {"policy": aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]}

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Delete the policy."""
        aws.client("s3").delete_bucket_policy(Bucket=bucket)


class Logging(Setting):
    """`aws.s3.BucketLogging`."""

    fields = _setting("targetBucket", "targetPrefix", optional={"targetObjectKeyFormat": None})

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Enable access logs."""
        names = ("targetBucket", "targetPrefix", "targetObjectKeyFormat")
        target = to_aws({name: inputs.get(name) for name in names}, _NAMES)
        aws.client("s3").put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": target})

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the target of the access logs."""
        enabled = aws.client("s3").get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
        return from_aws(enabled, _NAMES) if enabled else None

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Disable access logs."""
        aws.client("s3").put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})


class Replication(Setting):
    """`aws.s3.BucketReplicationConfig`."""

    fields = _setting("role", "rules", optional={"token": None}, secret=("token",), write_only=("token",))
    unset = "ReplicationConfigurationNotFoundError"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the role and the rules."""
        configuration = to_aws({"role": inputs["role"], "rules": inputs["rules"]}, _NAMES)
        token = {"Token": inputs["token"]} if inputs.get("token") else {}
        aws.client("s3").put_bucket_replication(Bucket=bucket, ReplicationConfiguration=configuration, **token)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the role and the rules."""
        answer = aws.client("s3").get_bucket_replication(Bucket=bucket)
        return from_aws(answer["ReplicationConfiguration"], _NAMES)

    def drop(self, aws: Aws, bucket: str, _inputs: Bag) -> None:
        """Delete it."""
        aws.client("s3").delete_bucket_replication(Bucket=bucket)


class ObjectLock(Setting):
    """`aws.s3.BucketObjectLockConfiguration`. Object lock can't be disabled; deleting it removes only the rule."""

    fields = _setting(
        optional={"objectLockEnabled": "Enabled", "rule": None, "token": None}, secret=("token",), write_only=("token",)
    )
    unset = "ObjectLockConfigurationNotFoundError"

    def put(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Write the default retention."""
        configuration = to_aws({"objectLockEnabled": inputs["objectLockEnabled"], "rule": inputs.get("rule")}, _NAMES)
        token = {"Token": inputs["token"]} if inputs.get("token") else {}
        aws.client("s3").put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration, **token)

    def get(self, aws: Aws, bucket: str) -> Bag | None:
        """Read the default retention."""
        answer = aws.client("s3").get_object_lock_configuration(Bucket=bucket)
        return {"rule": None} | from_aws(answer["ObjectLockConfiguration"], _NAMES)

    def drop(self, aws: Aws, bucket: str, inputs: Bag) -> None:
        """Remove the rule."""
        self.put(aws, bucket, {"objectLockEnabled": inputs["objectLockEnabled"]})

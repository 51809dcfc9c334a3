"""AWS CloudWatch log groups."""

from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.naming import unique
from local.plugins.values import Bag

_GONE: Final = "ResourceNotFoundException"


class LogGroup(Kind):
    """`aws.cloudwatch.LogGroup`: its id is its name. A retention of 0 days means forever."""

    fields = fields(
        optional={"name": None, "kmsKeyId": None, "retentionInDays": 0, "skipDestroy": False},
        computed=("arn",),
        replacing=("name",),
        write_only=("skipDestroy",),
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. CloudWatch keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the group."""
        arguments: dict[str, Any] = {"logGroupName": inputs["name"]}
        if inputs.get("kmsKeyId"):
            arguments["kmsKeyId"] = inputs["kmsKeyId"]
        if inputs.get("tags"):
            arguments["tags"] = inputs["tags"]
        aws.client("logs").create_log_group(**arguments)
        return inputs["name"]

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Set the retention period."""
        if inputs["retentionInDays"]:
            self._keep(aws, identity, inputs)

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the group."""
        logs = aws.client("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=identity)
        group = next((each for page in pages for each in page["logGroups"] if each["logGroupName"] == identity), None)
        if group is None:
            return None
        arn = group["arn"].removesuffix(":*")
        return {
            "name": identity,
            "arn": arn,
            "kmsKeyId": group.get("kmsKeyId"),
            "retentionInDays": group.get("retentionInDays", 0),
            **tags(logs.list_tags_for_resource(resourceArn=arn)["tags"]),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the retention period, the KMS key for new logs, or tags."""
        logs = aws.client("logs")
        if changed(old, new, "retentionInDays"):
            self._keep(aws, identity, new)
        if changed(old, new, "kmsKeyId"):
            if new.get("kmsKeyId"):
                logs.associate_kms_key(logGroupName=identity, kmsKeyId=new["kmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=identity)
        added, removed = tag_changes(old, new)
        arn = aws.arn("logs", f"log-group:{identity}")
        if removed:
            logs.untag_resource(resourceArn=arn, tagKeys=removed)
        if added:
            logs.tag_resource(resourceArn=arn, tags=added)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the group, unless `skipDestroy` is set."""
        if not inputs["skipDestroy"]:
            found(lambda: aws.client("logs").delete_log_group(logGroupName=identity), _GONE)

    @staticmethod
    def _keep(aws: Aws, identity: str, inputs: Bag) -> None:
        logs, days = aws.client("logs"), inputs["retentionInDays"]
        if days:
            logs.put_retention_policy(logGroupName=identity, retentionInDays=int(days))
        else:
            logs.delete_retention_policy(logGroupName=identity)

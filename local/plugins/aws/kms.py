"""AWS KMS keys and their aliases."""

from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.diffs import equal
from local.plugins.naming import unique
from local.plugins.paths import Path
from local.plugins.values import Bag, Tree

_GONE: Final = "NotFoundException"
# The longest waiting period that KMS accepts, and its default.
_DELETION_DAYS: Final = 30


class Key(Kind):
    """`aws.kms.Key`: its id is the key's. Deleting it starts KMS's waiting period."""

    fields = fields(
        optional={
            "description": None,
            "keyUsage": "ENCRYPT_DECRYPT",
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "policy": None,
            "bypassPolicyLockoutSafetyCheck": False,
            "deletionWindowInDays": None,
            "isEnabled": True,
            "enableKeyRotation": False,
            "rotationPeriodInDays": None,
            "multiRegion": False,
        },
        computed=("arn", "keyId"),
        replacing=("keyUsage", "customerMasterKeySpec", "multiRegion"),
        documents=("policy",),
        write_only=("bypassPolicyLockoutSafetyCheck", "deletionWindowInDays"),
    )

    def locate(self, _identity: str) -> Bag:
        """Return nothing: no input can be read from the id."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the key."""
        arguments: dict[str, Any] = {
            "KeyUsage": inputs["keyUsage"],
            "KeySpec": inputs["customerMasterKeySpec"],
            "MultiRegion": inputs["multiRegion"],
            "BypassPolicyLockoutSafetyCheck": inputs["bypassPolicyLockoutSafetyCheck"],
        }
        if inputs.get("description"):
            arguments["Description"] = inputs["description"]
        if inputs.get("policy"):
            arguments["Policy"] = inputs["policy"]
        if inputs.get("tags"):
            arguments["Tags"] = [{"TagKey": key, "TagValue": value} for key, value in inputs["tags"].items()]
        return aws.client("kms").create_key(**arguments)["KeyMetadata"]["KeyId"]

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Enable rotation and disable the key, where the inputs say so."""
        if inputs["enableKeyRotation"]:
            self._rotate(aws, identity, inputs)
        if not inputs["isEnabled"]:
            aws.client("kms").disable_key(KeyId=identity)

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the key. A key that is pending deletion counts as gone."""
        kms = aws.client("kms")
        answer = found(lambda: kms.describe_key(KeyId=identity), _GONE)
        if answer is None or answer["KeyMetadata"]["KeyState"] == "PendingDeletion":
            return None
        key = answer["KeyMetadata"]
        rotation = kms.get_key_rotation_status(KeyId=identity)
        key_tags = {each["TagKey"]: each["TagValue"] for each in kms.list_resource_tags(KeyId=identity)["Tags"]}
        properties = {
            "arn": key["Arn"],
            "keyId": key["KeyId"],
            "description": key.get("Description", ""),
            "keyUsage": key["KeyUsage"],
            "customerMasterKeySpec": key["KeySpec"],
            "policy": kms.get_key_policy(KeyId=identity, PolicyName="default")["Policy"],
            "isEnabled": key["Enabled"],
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "multiRegion": key["MultiRegion"],
            **tags(key_tags),
        }
        period = rotation.get("RotationPeriodInDays")
        return properties | ({"rotationPeriodInDays": period} if period else {})

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change description, policy, rotation, tags, and whether the key is enabled."""
        kms = aws.client("kms")
        if new["isEnabled"] and not old["isEnabled"]:
            # KMS doesn't change the rotation of a disabled key.
            kms.enable_key(KeyId=identity)
        if changed(old, new, "enableKeyRotation", "rotationPeriodInDays"):
            self._rotate(aws, identity, new)
        if changed(old, new, "description"):
            kms.update_key_description(KeyId=identity, Description=new.get("description", ""))
        if changed(old, new, "policy") and new.get("policy"):
            bypass = new["bypassPolicyLockoutSafetyCheck"]
            kms.put_key_policy(
                KeyId=identity, PolicyName="default", Policy=new["policy"], BypassPolicyLockoutSafetyCheck=bypass
            )
        if old["isEnabled"] and not new["isEnabled"]:
            kms.disable_key(KeyId=identity)
        added, removed = tag_changes(old, new)
        if removed:
            kms.untag_resource(KeyId=identity, TagKeys=removed)
        if added:
            pairs = [{"TagKey": key, "TagValue": value} for key, value in added.items()]
            kms.tag_resource(KeyId=identity, Tags=pairs)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Schedule the key's deletion."""
        days = inputs.get("deletionWindowInDays") or _DELETION_DAYS
        kms = aws.client("kms")
        found(lambda: kms.schedule_key_deletion(KeyId=identity, PendingWindowInDays=days), _GONE)

    @staticmethod
    def _rotate(aws: Aws, identity: str, inputs: Bag) -> None:
        if not inputs["enableKeyRotation"]:
            aws.client("kms").disable_key_rotation(KeyId=identity)
            return
        days = inputs.get("rotationPeriodInDays")
        period = {"RotationPeriodInDays": days} if days else {}
        aws.client("kms").enable_key_rotation(KeyId=identity, **period)


class Alias(Kind):
    """`aws.kms.Alias`: its id is its name, which starts with `alias/`."""

    fields = fields(
        required=("targetKeyId",),
        optional={"name": None},
        computed=("arn", "targetKeyArn"),
        replacing=("name",),
        tagged=False,
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name with the `alias/` prefix that KMS requires."""
        return unique(f"alias/{name}-", seed, digits=7)

    def same(self, path: Path, old: Tree, new: Tree) -> bool:
        """Compare two values, treating a key's ARN and its id as equal."""
        if path[0] == "targetKeyId":
            return str(old).rsplit("/", 1)[-1] == str(new).rsplit("/", 1)[-1]
        return equal(path, old, new)

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the alias."""
        aws.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Find the alias in the list of all aliases."""
        pages = aws.client("kms").get_paginator("list_aliases").paginate()
        alias = next((each for page in pages for each in page["Aliases"] if each["AliasName"] == identity), None)
        if alias is None:
            return None
        key = alias["TargetKeyId"]
        arn = aws.arn("kms", f"key/{key}")
        return {"name": identity, "arn": alias["AliasArn"], "targetKeyId": key, "targetKeyArn": arn}

    def update(self, aws: Aws, identity: str, _old: Bag, new: Bag) -> None:
        """Point the alias to another key."""
        aws.client("kms").update_alias(AliasName=identity, TargetKeyId=new["targetKeyId"])

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Delete the alias, but not the key."""
        found(lambda: aws.client("kms").delete_alias(AliasName=identity), _GONE)

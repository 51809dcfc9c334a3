"""Database instances of AWS RDS."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.aws.client import Aws, code, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, fields, tags
from local.plugins.aws.rds_groups import retag
from local.plugins.provider import PluginError
from local.plugins.values import Bag, Tree

_GONE: Final = ("DBInstanceNotFound", "DBInstanceNotFoundFault")
# The official plugin's.
_CREATION_SECONDS: Final = 40 * 60
_CHANGE_SECONDS: Final = 80 * 60
_DELETION_SECONDS: Final = 60 * 60

# What CreateDBInstance, ModifyDBInstance and DescribeDBInstances call by one name.
_ALIKE: Final = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "databaseInsightsMode": "DatabaseInsightsMode",
    "deletionProtection": "DeletionProtection",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "iops": "Iops",
    "licenseModel": "LicenseModel",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "monitoringInterval": "MonitoringInterval",
    "monitoringRoleArn": "MonitoringRoleArn",
    "multiAz": "MultiAZ",
    "networkType": "NetworkType",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "publiclyAccessible": "PubliclyAccessible",
    "storageThroughput": "StorageThroughput",
    "storageType": "StorageType",
}
# What is described otherwise, or not at all.
_WRITTEN: Final = _ALIKE | {
    "dbSubnetGroupName": "DBSubnetGroupName",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "masterUserSecretKmsKeyId": "MasterUserSecretKmsKeyId",
    "optionGroupName": "OptionGroupName",
    "parameterGroupName": "DBParameterGroupName",
    "password": "MasterUserPassword",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}
# What never changes.
_FIXED: Final = {
    "availabilityZone": "AvailabilityZone",
    "characterSetName": "CharacterSetName",
    "dbName": "DBName",
    "engine": "Engine",
    "kmsKeyId": "KmsKeyId",
    "storageEncrypted": "StorageEncrypted",
    "timezone": "Timezone",
    "username": "MasterUsername",
}
_CREATED: Final = (
    _WRITTEN
    | _FIXED
    | {
        "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
        "identifier": "DBInstanceIdentifier",
        "port": "Port",
    }
)
_MODIFIED: Final = _WRITTEN | {"identifier": "NewDBInstanceIdentifier", "port": "DBPortNumber"}
# Changes that RDS takes only together with others that stay.
_TOGETHER: Final = {
    "iops": ("allocatedStorage",),
    "masterUserSecretKmsKeyId": ("manageMasterUserPassword",),
    "monitoringInterval": ("monitoringRoleArn",),
    "performanceInsightsKmsKeyId": ("performanceInsightsEnabled",),
    "performanceInsightsRetentionPeriod": ("performanceInsightsEnabled",),
    "storageThroughput": ("iops", "allocatedStorage"),
}
_DEFAULTS: Final = {
    "allowMajorVersionUpgrade": False,
    "applyImmediately": False,
    "autoMinorVersionUpgrade": True,
    "copyTagsToSnapshot": False,
    "deleteAutomatedBackups": True,
    "deletionProtection": False,
    "iamDatabaseAuthenticationEnabled": False,
    "manageMasterUserPassword": False,
    "monitoringInterval": 0,
    "performanceInsightsEnabled": False,
    "publiclyAccessible": False,
    "skipFinalSnapshot": False,
    "storageEncrypted": False,
}


class Instance(Kind):
    """`aws.rds.Instance`: its id is RDS's resource id, not its identifier, which may change.

    Replicas and restores are left to the official plugin. A pending change of a run without `applyImmediately` shows
    as done in the state; a refresh tells what is really there.
    """

    fields = fields(
        required=("instanceClass",),
        optional={
            **dict.fromkeys((_CREATED.keys() | {"finalSnapshotIdentifier"}) - {"instanceClass"}),
            **_DEFAULTS,
        },
        computed=(
            "address",
            "arn",
            "endpoint",
            "engineVersionActual",
            "hostedZoneId",
            "latestRestorableTime",
            "listenerEndpoints",
            "masterUserSecrets",
            "replicas",
            "resourceId",
            "status",
        ),
        replacing=_FIXED,
        sets=("enabledCloudwatchLogsExports", "vpcSecurityGroupIds"),
        secret=("password",),
        write_only=(
            "allowMajorVersionUpgrade",
            "applyImmediately",
            "deleteAutomatedBackups",
            "finalSnapshotIdentifier",
            "password",
            "skipFinalSnapshot",
        ),
    )
    named = "identifier"

    def failures(self, inputs: Bag) -> dict[str, str]:
        """Refuse two sources of the password."""
        if inputs.get("password") is not None and inputs["manageMasterUserPassword"] is True:
            return {"password": "password conflicts with manageMasterUserPassword: one of them makes the password"}
        return {}

    def normal(self, inputs: Bag) -> Bag:
        """Write in small letters what RDS does."""
        small = {name: str(inputs[name]).lower() for name in _SMALL if isinstance(inputs.get(name), str)}
        return self.fields.ordered(inputs) | small

    def locate(self, _identity: str) -> Bag:
        """Return nothing: the id tells no input."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Make the instance."""
        for name in ("engine", "username", "allocatedStorage"):
            if inputs.get(name) is None:
                message = f"{name} is required for a new instance"
                raise PluginError(message)
        wanted = _named(inputs, _CREATED) | {"Tags": tag_list(inputs.get("tags"))}
        return aws.client("rds").create_db_instance(**wanted)["DBInstance"]["DbiResourceId"]

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:  # noqa: ARG002 - the identifier tells it too.
        """Wait until it's available."""
        aws.wait("rds", "db_instance_available", _CREATION_SECONDS, DBInstanceIdentifier=inputs["identifier"])

    def read(self, aws: Aws, identity: str, inputs: Bag) -> Bag | None:
        """Read the instance."""
        instance = _find(aws, identity, inputs.get("identifier"))
        if instance is None or instance["DBInstanceStatus"] == "deleting":
            return None
        # RDS gives it only while the instance has one.
        secret = instance.get("MasterUserSecret")
        bears = aws.client("rds").list_tags_for_resource(ResourceName=instance["DBInstanceArn"])["TagList"]
        return {
            **_inputs(instance),
            **_outputs(instance),
            "engineVersion": _version(inputs.get("engineVersion"), instance["EngineVersion"]),
            "manageMasterUserPassword": bool(secret),
            "masterUserSecrets": [_secret(secret)] if secret else [],
            **({"masterUserSecretKmsKeyId": secret.get("KmsKeyId")} if secret else {}),
            **tags(tag_map(bears)),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change all but what RDS fixes for an instance's life; tags at last, as the ARN follows the identifier."""
        rds = aws.client("rds")
        differing = {name for name in _MODIFIED if not self._alike(name, old.get(name), new.get(name))}
        differing |= {other for name in differing for other in _TOGETHER.get(name, ()) if new.get(other) is not None}
        wanted = _named({name: new.get(name) for name in differing}, _MODIFIED)
        if "maxAllocatedStorage" in differing and new.get("maxAllocatedStorage") is None:
            # Storage that must not grow by itself is at its most already.
            wanted["MaxAllocatedStorage"] = new["allocatedStorage"]
        if "engineVersion" in differing:
            wanted["AllowMajorVersionUpgrade"] = new["allowMajorVersionUpgrade"]
        logs, before = (set(each.get("enabledCloudwatchLogsExports") or []) for each in (new, old))
        if logs != before:
            exports = {"EnableLogTypes": sorted(logs - before), "DisableLogTypes": sorted(before - logs)}
            wanted["CloudwatchLogsExportConfiguration"] = exports
        if wanted:
            instance = _find(aws, identity, old.get("identifier"))
            name = instance["DBInstanceIdentifier"] if instance else old["identifier"]
            immediately = new["applyImmediately"]
            rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=immediately, **wanted)
            aws.wait("rds", "db_instance_available", _CHANGE_SECONDS, DBInstanceIdentifier=new["identifier"])
        retag(aws, f"db:{new['identifier'].lower()}", old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the instance, with a last snapshot unless it's to be skipped."""
        instance = _find(aws, identity, inputs.get("identifier"))
        if instance is None:
            return
        name = instance["DBInstanceIdentifier"]
        wanted: dict[str, Any] = {
            "DBInstanceIdentifier": name,
            "DeleteAutomatedBackups": inputs["deleteAutomatedBackups"],
            "SkipFinalSnapshot": inputs["skipFinalSnapshot"],
        }
        if not inputs["skipFinalSnapshot"]:
            if not inputs.get("finalSnapshotIdentifier"):
                message = f"{name}: finalSnapshotIdentifier is required when skipFinalSnapshot is false"
                raise PluginError(message)
            wanted["FinalDBSnapshotIdentifier"] = inputs["finalSnapshotIdentifier"]
        self._delete(aws, wanted, inputs)
        aws.wait("rds", "db_instance_deleted", _DELETION_SECONDS, DBInstanceIdentifier=name)

    @staticmethod
    def _delete(aws: Aws, wanted: Mapping[str, Any], inputs: Bag) -> None:
        rds = aws.client("rds")
        try:
            found(lambda: rds.delete_db_instance(**wanted), *_GONE)
        except Exception as error:
            protected = code(error) == "InvalidParameterCombination" and "disable deletion pro" in str(error)
            if not protected or inputs["deletionProtection"] or not inputs["applyImmediately"]:
                raise
            # The program has lifted the protection, and RDS hasn't heard of it yet.
            name = wanted["DBInstanceIdentifier"]
            rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, DeletionProtection=False)
            aws.wait("rds", "db_instance_available", _CHANGE_SECONDS, DBInstanceIdentifier=name)
            rds.delete_db_instance(**wanted)

    def _alike(self, name: str, old: Tree, new: Tree) -> bool:
        before, after = (self.normal({name: value})[name] for value in (old, new))
        return before == after or self.same((name,), before, after)


# Names that RDS keeps in small letters.
_SMALL: Final = (
    "identifier",
    "dbSubnetGroupName",
    "engine",
    "maintenanceWindow",
    "optionGroupName",
    "parameterGroupName",
)


def _find(aws: Aws, identity: str, identifier: str | None) -> Mapping[str, Any] | None:
    """Return the instance by its identifier, else by RDS's resource id: somebody may have renamed it."""
    rds = aws.client("rds")
    if identifier:
        answer = found(lambda: rds.describe_db_instances(DBInstanceIdentifier=identifier), *_GONE)
        if answer and answer["DBInstances"] and answer["DBInstances"][0]["DbiResourceId"] == identity:
            return answer["DBInstances"][0]
    filters = [{"Name": "dbi-resource-id", "Values": [identity]}]
    answer = found(lambda: rds.describe_db_instances(Filters=filters), *_GONE)
    return answer["DBInstances"][0] if answer and answer["DBInstances"] else None


def _named(inputs: Bag, names: Mapping[str, str]) -> dict[str, Any]:
    return {theirs: inputs[ours] for ours, theirs in names.items() if inputs.get(ours) is not None}


def _inputs(instance: Mapping[str, Any]) -> Bag:
    """Return the inputs that the description of an instance tells; what it doesn't mention is left out."""
    plain = {ours: instance[theirs] for ours, theirs in (_ALIKE | _FIXED).items() if theirs in instance}
    # No most storage means that storage doesn't grow by itself.
    plain["maxAllocatedStorage"] = instance.get("MaxAllocatedStorage")
    plain["identifier"] = instance["DBInstanceIdentifier"]
    plain["vpcSecurityGroupIds"] = [each["VpcSecurityGroupId"] for each in instance["VpcSecurityGroups"]]
    plain["enabledCloudwatchLogsExports"] = instance.get("EnabledCloudwatchLogsExports", [])
    if "IAMDatabaseAuthenticationEnabled" in instance:
        plain["iamDatabaseAuthenticationEnabled"] = instance["IAMDatabaseAuthenticationEnabled"]
    if "PerformanceInsightsEnabled" in instance:
        plain["performanceInsightsEnabled"] = instance["PerformanceInsightsEnabled"]
    if instance.get("DBSubnetGroup"):
        plain["dbSubnetGroupName"] = instance["DBSubnetGroup"]["DBSubnetGroupName"]
    for group in instance.get("DBParameterGroups", []):
        plain["parameterGroupName"] = group["DBParameterGroupName"]
    for group in instance.get("OptionGroupMemberships", []):
        plain["optionGroupName"] = group["OptionGroupName"]
    if instance.get("Endpoint"):
        plain["port"] = instance["Endpoint"]["Port"]
    return plain


def _outputs(instance: Mapping[str, Any]) -> Bag:
    endpoint = instance.get("Endpoint", {})
    restorable = instance.get("LatestRestorableTime")
    return {
        "arn": instance["DBInstanceArn"],
        "resourceId": instance["DbiResourceId"],
        "status": instance["DBInstanceStatus"],
        "engineVersionActual": instance["EngineVersion"],
        "replicas": instance.get("ReadReplicaDBInstanceIdentifiers", []),
        "listenerEndpoints": [],
        "latestRestorableTime": restorable.strftime("%Y-%m-%dT%H:%M:%SZ") if restorable else None,
        "hostedZoneId": endpoint.get("HostedZoneId"),
        "address": endpoint.get("Address"),
        "endpoint": f"{endpoint['Address']}:{endpoint['Port']}" if endpoint else None,
    }


def _secret(secret: Mapping[str, str]) -> Bag:
    return {
        "kmsKeyId": secret.get("KmsKeyId"),
        "secretArn": secret["SecretArn"],
        "secretStatus": secret["SecretStatus"],
    }


def _version(given: str | None, actual: str) -> str:
    """Return the version as it was given if it's the beginning of the actual one: RDS makes a `16` a `16.9`."""
    return given if given and f"{actual}.".startswith(f"{given}.") else actual

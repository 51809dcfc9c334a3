"""AWS RDS database instances."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.aws.client import Aws, code, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, fields, tags
from local.plugins.aws.rds_groups import retag
from local.plugins.provider import PluginError
from local.plugins.values import Bag, Tree

_GONE: Final = ("DBInstanceNotFound", "DBInstanceNotFoundFault")
# The official plugin's timeouts.
_CREATION_SECONDS: Final = 40 * 60
_CHANGE_SECONDS: Final = 80 * 60
_DELETION_SECONDS: Final = 60 * 60

# Properties with one name in CreateDBInstance, ModifyDBInstance and DescribeDBInstances.
_SAME_NAME: Final = {
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
# Properties that CreateDBInstance and ModifyDBInstance accept, including those that DescribeDBInstances returns
# differently or not at all.
_WRITTEN: Final = _SAME_NAME | {
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
# Properties that can't be changed.
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
# Properties that RDS accepts a change of only together with other, unchanged ones.
_SENT_WITH: Final = {
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

    Only the official plugin supports replicas and restores. Without `applyImmediately`, a pending change shows as
    done in the state until a refresh reads the actual value.
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
        """Return an error if there are two sources of the password."""
        if inputs.get("password") is not None and inputs["manageMasterUserPassword"] is True:
            return {"password": "password conflicts with manageMasterUserPassword: set only one of them"}
        return {}

    def normal(self, inputs: Bag) -> Bag:
        """Convert the names that RDS keeps in lower case, and sort sets."""
        lowercase = {name: str(inputs[name]).lower() for name in _LOWERCASE if isinstance(inputs.get(name), str)}
        return self.fields.ordered(inputs) | lowercase

    def locate(self, _identity: str) -> Bag:
        """Return nothing: no input can be read from the id."""
        return {}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the instance."""
        for name in ("engine", "username", "allocatedStorage"):
            if inputs.get(name) is None:
                message = f"{name} is required for a new instance"
                raise PluginError(message)
        arguments = _named(inputs, _CREATED) | {"Tags": tag_list(inputs.get("tags"))}
        return aws.client("rds").create_db_instance(**arguments)["DBInstance"]["DbiResourceId"]

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:  # noqa: ARG002 - the inputs name it too.
        """Wait until the instance is available."""
        aws.wait("rds", "db_instance_available", _CREATION_SECONDS, DBInstanceIdentifier=inputs["identifier"])

    def read(self, aws: Aws, identity: str, inputs: Bag) -> Bag | None:
        """Read the instance."""
        instance = _find(aws, identity, inputs.get("identifier"))
        if instance is None or instance["DBInstanceStatus"] == "deleting":
            return None
        # RDS returns it only if it manages the password.
        secret = instance.get("MasterUserSecret")
        tag_pairs = aws.client("rds").list_tags_for_resource(ResourceName=instance["DBInstanceArn"])["TagList"]
        return {
            **_inputs(instance),
            **_outputs(instance),
            "engineVersion": _version(inputs.get("engineVersion"), instance["EngineVersion"]),
            "manageMasterUserPassword": bool(secret),
            "masterUserSecrets": [_secret(secret)] if secret else [],
            **({"masterUserSecretKmsKeyId": secret.get("KmsKeyId")} if secret else {}),
            **tags(tag_map(tag_pairs)),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the properties that can be changed. Tags come last, because the ARN depends on the identifier."""
        rds = aws.client("rds")
        differing = {name for name in _MODIFIED if not self._equal(name, old.get(name), new.get(name))}
        differing |= {other for name in differing for other in _SENT_WITH.get(name, ()) if new.get(other) is not None}
        arguments = _named({name: new.get(name) for name in differing}, _MODIFIED)
        if "maxAllocatedStorage" in differing and new.get("maxAllocatedStorage") is None:
            # A maximum equal to the current size turns off autoscaling of storage.
            arguments["MaxAllocatedStorage"] = new["allocatedStorage"]
        if "engineVersion" in differing:
            arguments["AllowMajorVersionUpgrade"] = new["allowMajorVersionUpgrade"]
        logs, before = (set(each.get("enabledCloudwatchLogsExports") or []) for each in (new, old))
        if logs != before:
            exports = {"EnableLogTypes": sorted(logs - before), "DisableLogTypes": sorted(before - logs)}
            arguments["CloudwatchLogsExportConfiguration"] = exports
        if arguments:
            instance = _find(aws, identity, old.get("identifier"))
            name = instance["DBInstanceIdentifier"] if instance else old["identifier"]
            immediately = new["applyImmediately"]
            rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=immediately, **arguments)
            aws.wait("rds", "db_instance_available", _CHANGE_SECONDS, DBInstanceIdentifier=new["identifier"])
        retag(aws, f"db:{new['identifier'].lower()}", old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the instance, after a final snapshot unless `skipFinalSnapshot` is set."""
        instance = _find(aws, identity, inputs.get("identifier"))
        if instance is None:
            return
        name = instance["DBInstanceIdentifier"]
        arguments: dict[str, Any] = {
            "DBInstanceIdentifier": name,
            "DeleteAutomatedBackups": inputs["deleteAutomatedBackups"],
            "SkipFinalSnapshot": inputs["skipFinalSnapshot"],
        }
        if not inputs["skipFinalSnapshot"]:
            if not inputs.get("finalSnapshotIdentifier"):
                message = f"{name}: finalSnapshotIdentifier is required when skipFinalSnapshot is false"
                raise PluginError(message)
            arguments["FinalDBSnapshotIdentifier"] = inputs["finalSnapshotIdentifier"]
        self._delete(aws, arguments, inputs)
        aws.wait("rds", "db_instance_deleted", _DELETION_SECONDS, DBInstanceIdentifier=name)

    @staticmethod
    def _delete(aws: Aws, arguments: Mapping[str, Any], inputs: Bag) -> None:
        rds = aws.client("rds")
        try:
            found(lambda: rds.delete_db_instance(**arguments), *_GONE)
        except Exception as error:
            protected = code(error) == "InvalidParameterCombination" and "disable deletion pro" in str(error)
            if not protected or inputs["deletionProtection"] or not inputs["applyImmediately"]:
                raise
            # The program has turned off the protection, but that change hasn't reached RDS yet.
            name = arguments["DBInstanceIdentifier"]
            rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, DeletionProtection=False)
            aws.wait("rds", "db_instance_available", _CHANGE_SECONDS, DBInstanceIdentifier=name)
            rds.delete_db_instance(**arguments)

    def _equal(self, name: str, old: Tree, new: Tree) -> bool:
        before, after = (self.normal({name: value})[name] for value in (old, new))
        return before == after or self.same((name,), before, after)


# Names that RDS keeps in lower case.
_LOWERCASE: Final = (
    "identifier",
    "dbSubnetGroupName",
    "engine",
    "maintenanceWindow",
    "optionGroupName",
    "parameterGroupName",
)


def _find(aws: Aws, identity: str, identifier: str | None) -> Mapping[str, Any] | None:
    """Find the instance by its identifier, or if it was renamed, by RDS's resource id."""
    rds = aws.client("rds")
    if identifier:
        answer = found(lambda: rds.describe_db_instances(DBInstanceIdentifier=identifier), *_GONE)
        if answer and answer["DBInstances"] and answer["DBInstances"][0]["DbiResourceId"] == identity:
            return answer["DBInstances"][0]
    filters = [{"Name": "dbi-resource-id", "Values": [identity]}]
    answer = found(lambda: rds.describe_db_instances(Filters=filters), *_GONE)
    return answer["DBInstances"][0] if answer and answer["DBInstances"] else None


def _named(inputs: Bag, names: Mapping[str, str]) -> dict[str, Any]:
    return {aws_name: inputs[name] for name, aws_name in names.items() if inputs.get(name) is not None}


def _inputs(instance: Mapping[str, Any]) -> Bag:
    """Return the inputs that the description of an instance contains."""
    inputs = {ours: instance[theirs] for ours, theirs in (_SAME_NAME | _FIXED).items() if theirs in instance}
    # None means that autoscaling of storage is off.
    inputs["maxAllocatedStorage"] = instance.get("MaxAllocatedStorage")
    inputs["identifier"] = instance["DBInstanceIdentifier"]
    inputs["vpcSecurityGroupIds"] = [each["VpcSecurityGroupId"] for each in instance["VpcSecurityGroups"]]
    inputs["enabledCloudwatchLogsExports"] = instance.get("EnabledCloudwatchLogsExports", [])
    if "IAMDatabaseAuthenticationEnabled" in instance:
        inputs["iamDatabaseAuthenticationEnabled"] = instance["IAMDatabaseAuthenticationEnabled"]
    if "PerformanceInsightsEnabled" in instance:
        inputs["performanceInsightsEnabled"] = instance["PerformanceInsightsEnabled"]
    if instance.get("DBSubnetGroup"):
        inputs["dbSubnetGroupName"] = instance["DBSubnetGroup"]["DBSubnetGroupName"]
    for group in instance.get("DBParameterGroups", []):
        inputs["parameterGroupName"] = group["DBParameterGroupName"]
    for group in instance.get("OptionGroupMemberships", []):
        inputs["optionGroupName"] = group["OptionGroupName"]
    if instance.get("Endpoint"):
        inputs["port"] = instance["Endpoint"]["Port"]
    return inputs


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


def _version(requested: str | None, actual: str) -> str:
    """Return the requested version if the actual one starts with it: RDS turns `16` into `16.9`."""
    return requested if requested and f"{actual}.".startswith(f"{requested}.") else actual

"""AWS RDS subnet groups and parameter groups."""

from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.values import Bag

_NO_SUBNETS: Final = "DBSubnetGroupNotFoundFault"
_NO_PARAMETERS: Final = "DBParameterGroupNotFound"
# The most parameters that RDS accepts in one call.
_MOST_PARAMETERS: Final = 20


class SubnetGroup(Kind):
    """`aws.rds.SubnetGroup`: its id is its name."""

    fields = fields(
        required=("subnetIds",),
        optional={"name": None, "description": "Managed by Pulumi"},
        computed=("arn", "supportedNetworkTypes", "vpcId"),
        replacing=("name",),
        sets=("subnetIds",),
    )
    named = "name"

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the group."""
        aws.client("rds").create_db_subnet_group(
            DBSubnetGroupName=inputs["name"],
            DBSubnetGroupDescription=inputs["description"],
            SubnetIds=inputs["subnetIds"],
            Tags=tag_list(inputs.get("tags")),
        )
        return inputs["name"].lower()

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the group."""
        rds = aws.client("rds")
        answer = found(lambda: rds.describe_db_subnet_groups(DBSubnetGroupName=identity), _NO_SUBNETS)
        if not answer or not answer["DBSubnetGroups"]:
            return None
        group = answer["DBSubnetGroups"][0]
        arn = group["DBSubnetGroupArn"]
        return {
            "name": group["DBSubnetGroupName"],
            "arn": arn,
            "description": group["DBSubnetGroupDescription"],
            "subnetIds": [each["SubnetIdentifier"] for each in group["Subnets"]],
            "supportedNetworkTypes": group.get("SupportedNetworkTypes", []),
            "vpcId": group["VpcId"],
            **tags(tag_map(rds.list_tags_for_resource(ResourceName=arn)["TagList"])),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the subnets, the description or tags."""
        if changed(old, new, "subnetIds", "description"):
            aws.client("rds").modify_db_subnet_group(
                DBSubnetGroupName=identity,
                DBSubnetGroupDescription=new["description"],
                SubnetIds=new["subnetIds"],
            )
        retag(aws, f"subgrp:{identity}", old, new)

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Delete the group."""
        found(lambda: aws.client("rds").delete_db_subnet_group(DBSubnetGroupName=identity), _NO_SUBNETS)


class ParameterGroup(Kind):
    """`aws.rds.ParameterGroup`: its id is its name. A parameter that is removed is reset to the family's default."""

    fields = fields(
        required=("family",),
        optional={"name": None, "description": "Managed by Pulumi", "parameters": None, "skipDestroy": False},
        computed=("arn",),
        replacing=("name", "family", "description"),
        sets=("parameters",),
        write_only=("skipDestroy",),
    )
    named = "name"

    def normal(self, inputs: Bag) -> Bag:
        """Add the default `applyMethod` to each parameter."""
        if not isinstance(inputs.get("parameters"), list):
            return inputs
        parameters = [{"applyMethod": "immediate", **each} for each in inputs["parameters"]]
        return inputs | {"parameters": sorted(parameters, key=lambda each: str(each["name"]))}

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the group."""
        aws.client("rds").create_db_parameter_group(
            DBParameterGroupName=inputs["name"],
            DBParameterGroupFamily=inputs["family"],
            Description=inputs["description"],
            Tags=tag_list(inputs.get("tags")),
        )
        return inputs["name"].lower()

    def settle(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Set the parameters."""
        self._set(aws, identity, self._parameters(inputs))

    def read(self, aws: Aws, identity: str, inputs: Bag) -> Bag | None:
        """Read the group and the parameters that a user has set."""
        rds = aws.client("rds")
        answer = found(lambda: rds.describe_db_parameter_groups(DBParameterGroupName=identity), _NO_PARAMETERS)
        if not answer or not answer["DBParameterGroups"]:
            return None
        group = answer["DBParameterGroups"][0]
        arn = group["DBParameterGroupArn"]
        pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=identity, Source="user")
        inputs_by_name = self._parameters(inputs)
        parameters = [
            {
                "name": each["ParameterName"],
                "value": each["ParameterValue"],
                "applyMethod": each.get("ApplyMethod")
                or inputs_by_name.get(each["ParameterName"], {}).get("applyMethod"),
            }
            for page in pages
            for each in page["Parameters"]
            if "ParameterValue" in each
        ]
        return {
            "name": group["DBParameterGroupName"],
            "arn": arn,
            "family": group["DBParameterGroupFamily"],
            "description": group["Description"],
            "parameters": parameters,
            **tags(tag_map(rds.list_tags_for_resource(ResourceName=arn)["TagList"])),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Set new and changed parameters, reset removed ones, and change tags."""
        before, after = self._parameters(old), self._parameters(new)
        removed = [each for name, each in before.items() if name not in after]
        for batch in _batches(removed):
            reset = [{"ParameterName": each["name"], "ApplyMethod": each["applyMethod"]} for each in batch]
            aws.client("rds").reset_db_parameter_group(DBParameterGroupName=identity, Parameters=reset)
        self._set(aws, identity, {name: each for name, each in after.items() if before.get(name) != each})
        retag(aws, f"pg:{identity}", old, new)

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the group, unless `skipDestroy` is set."""
        if not inputs["skipDestroy"]:
            found(lambda: aws.client("rds").delete_db_parameter_group(DBParameterGroupName=identity), _NO_PARAMETERS)

    def _parameters(self, inputs: Bag) -> dict[str, Bag]:
        return {each["name"]: each for each in self.normal(inputs).get("parameters") or []}

    @staticmethod
    def _set(aws: Aws, identity: str, parameters: dict[str, Bag]) -> None:
        for batch in _batches(list(parameters.values())):
            batch_arguments = [
                {"ParameterName": each["name"], "ParameterValue": each["value"], "ApplyMethod": each["applyMethod"]}
                for each in batch
            ]
            aws.client("rds").modify_db_parameter_group(DBParameterGroupName=identity, Parameters=batch_arguments)


def retag(aws: Aws, resource: str, old: Bag, new: Bag) -> None:
    """Change the tags of an RDS resource, such as `db:mlflow`."""
    added, removed = tag_changes(old, new)
    rds, arn = aws.client("rds"), aws.arn("rds", resource)
    if removed:
        rds.remove_tags_from_resource(ResourceName=arn, TagKeys=removed)
    if added:
        rds.add_tags_to_resource(ResourceName=arn, Tags=tag_list(added))


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _MOST_PARAMETERS] for start in range(0, len(items), _MOST_PARAMETERS)]

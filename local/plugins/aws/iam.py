"""AWS IAM roles and their inline policies."""

import json
from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.naming import unique
from local.plugins.values import Bag

_GONE: Final = "NoSuchEntity"


class Role(Kind):
    """`aws.iam.Role`: its id is its name."""

    fields = fields(
        required=("assumeRolePolicy",),
        optional={
            "name": None,
            "path": "/",
            "description": None,
            "maxSessionDuration": 3600,
            "permissionsBoundary": None,
            "forceDetachPolicies": False,
        },
        computed=("arn", "createDate", "uniqueId"),
        replacing=("name", "path"),
        documents=("assumeRolePolicy",),
        write_only=("forceDetachPolicies",),
        regional=False,
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. IAM keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the role."""
        arguments: dict[str, Any] = {
            "RoleName": inputs["name"],
            "Path": inputs["path"],
            "AssumeRolePolicyDocument": inputs["assumeRolePolicy"],
            "MaxSessionDuration": inputs["maxSessionDuration"],
            "Tags": tag_list(inputs.get("tags")),
        }
        if inputs.get("description"):
            arguments["Description"] = inputs["description"]
        if inputs.get("permissionsBoundary"):
            arguments["PermissionsBoundary"] = inputs["permissionsBoundary"]
        aws.client("iam").create_role(**arguments)
        return inputs["name"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the role."""
        answer = found(lambda: aws.client("iam").get_role(RoleName=identity), _GONE)
        if answer is None:
            return None
        role = answer["Role"]
        return {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "path": role["Path"],
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"], separators=(",", ":")),
            "description": role.get("Description"),
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            **tags(tag_map(role.get("Tags"))),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the trust policy, permissions boundary, description, session duration, or tags."""
        iam = aws.client("iam")
        if changed(old, new, "assumeRolePolicy"):
            iam.update_assume_role_policy(RoleName=identity, PolicyDocument=new["assumeRolePolicy"])
        if changed(old, new, "description", "maxSessionDuration"):
            text, seconds = new.get("description", ""), new["maxSessionDuration"]
            iam.update_role(RoleName=identity, Description=text, MaxSessionDuration=seconds)
        if changed(old, new, "permissionsBoundary"):
            if new.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=identity, PermissionsBoundary=new["permissionsBoundary"])
            else:
                iam.delete_role_permissions_boundary(RoleName=identity)
        added, removed = tag_changes(old, new)
        if removed:
            iam.untag_role(RoleName=identity, TagKeys=removed)
        if added:
            iam.tag_role(RoleName=identity, Tags=tag_list(added))

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the role. With `forceDetachPolicies`, remove its policies first."""
        iam = aws.client("iam")
        if inputs["forceDetachPolicies"] and found(lambda: iam.get_role(RoleName=identity), _GONE):
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=identity):
                for each in page["AttachedPolicies"]:
                    iam.detach_role_policy(RoleName=identity, PolicyArn=each["PolicyArn"])
            for page in iam.get_paginator("list_role_policies").paginate(RoleName=identity):
                for name in page["PolicyNames"]:
                    iam.delete_role_policy(RoleName=identity, PolicyName=name)
        found(lambda: iam.delete_role(RoleName=identity), _GONE)


class RolePolicy(Kind):
    """`aws.iam.RolePolicy`: its id is `ROLE:NAME`."""

    fields = fields(
        required=("role", "policy"),
        optional={"name": None},
        replacing=("role", "name"),
        documents=("policy",),
        regional=False,
        tagged=False,
    )
    named = "name"

    def generate_name(self, name: str, seed: bytes) -> str:
        """Return a unique name. IAM keeps capital letters."""
        return unique(f"{name}-", seed, digits=7)

    def locate(self, identity: str) -> Bag:
        """Return the role and the policy's name, which make up the id."""
        role, _, name = identity.partition(":")
        return {"role": role, "name": name}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Add the policy to the role."""
        role, name = inputs["role"], inputs["name"]
        aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])
        return f"{role}:{name}"

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the policy."""
        names = self.locate(identity)
        iam = aws.client("iam")
        answer = found(lambda: iam.get_role_policy(RoleName=names["role"], PolicyName=names["name"]), _GONE)
        if answer is None:
            return None
        return names | {"policy": json.dumps(answer["PolicyDocument"], separators=(",", ":"))}

    def update(self, aws: Aws, _identity: str, _old: Bag, new: Bag) -> None:
        """Replace the policy document."""
        self.create(aws, new)

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Remove the policy from the role."""
        names = self.locate(identity)
        iam = aws.client("iam")
        found(lambda: iam.delete_role_policy(RoleName=names["role"], PolicyName=names["name"]), _GONE)

"""Where moto is unlike AWS in something that this platform leans on."""

import json
import secrets

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.iam.access_control import PermissionResult
from moto.rds.models import MasterUserSecret
from moto.s3.models import FakeBucket

PASSWORD_BYTES = 24


def install() -> None:
    """Put moto right."""
    # It takes a condition of a bucket's policy that doesn't hold for a denial; `sessions` evaluates these policies.
    setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)  # noqa: B010 - the same form for all
    # It gives every instance the same user name and password.
    setattr(MasterUserSecret, "_generate_secret_string", _secret)  # noqa: B010
    # It forgets the description of a rule that lets a group in.
    setattr(SecurityGroupRule, "description", property(_description))  # noqa: B010


def _secret(self: MasterUserSecret) -> str:
    """Return the administrator's secret in RDS's form."""
    return json.dumps({"username": self.resource.master_username, "password": secrets.token_urlsafe(PASSWORD_BYTES)})


def _description(self: SecurityGroupRule) -> str | None:
    return self.ip_range.get("Description") or self.source_group.get("Description")

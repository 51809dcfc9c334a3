"""Corrections of moto where it differs from AWS in a way that matters to this platform."""

import json
import secrets

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.iam.access_control import PermissionResult
from moto.rds.models import MasterUserSecret
from moto.s3.models import FakeBucket

PASSWORD_BYTES = 24


def install() -> None:
    """Apply the corrections to moto's classes."""
    # moto denies a call if a condition in a bucket policy doesn't hold. `sessions` evaluates these policies instead.
    setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)  # noqa: B010 - one form for all three
    # moto gives every instance the same user name and password.
    setattr(MasterUserSecret, "_generate_secret_string", _secret)  # noqa: B010
    # moto drops the description of an ingress rule whose source is a group.
    setattr(SecurityGroupRule, "description", property(_description))  # noqa: B010


def _secret(self: MasterUserSecret) -> str:
    """Return the administrator's secret in RDS's form."""
    return json.dumps({"username": self.resource.master_username, "password": secrets.token_urlsafe(PASSWORD_BYTES)})


def _description(self: SecurityGroupRule) -> str | None:
    return self.ip_range.get("Description") or self.source_group.get("Description")

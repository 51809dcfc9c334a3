"""Settings that no single capability owns: the environment, its AWS account and region, and the pods' egress."""

import ipaddress
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from infra.aws.emulation import AwsApi
from infra.limits.account import Account
from infra.settings.names import Region, Tag
from infra.settings.section import Network, Section

# It is part of the names of S3 buckets, IAM roles, repositories and RDS instances, so it must satisfy all of their
# rules. `names_in_aws` checks its length by checking those names.
_NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# By the prefix of a region's name. All other regions are in the partition `aws`:
# https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eu-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


def _endpoint(value: str) -> str:
    address = urlsplit(value)
    ipaddress.IPv4Address(address.hostname or "")
    if not address.port:
        raise ValueError("not a port")
    return value


class Environment(Section):
    """The environment. Its name is part of the names of its AWS resources; all but `protected` are their tags."""

    name: str = Field(
        pattern=_NAME,
        description="lower-case letters and digits with single inner hyphens, such as prod or eu-prod; AWS limits the "
        "length of the names that contain it",
    )
    owner: Tag = Field(
        description="the owning team, for tags: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not starting with "
        "aws:",
    )
    cost_center: Tag = Field(
        description="the cost center, for tags: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not starting with "
        "aws:",
    )
    protected: bool = Field(
        default=True,
        description="true or false: whether data in AWS outlives the stack (deletion protection by Pulumi and AWS, and "
        "a final snapshot)",
    )


class Aws(Section):
    """The AWS account and region that the stack is deployed to."""

    account_id: str = Field(
        pattern=r"^[0-9]{12}$",
        description="the 12 digits of the AWS account ID, in quotes; credentials of other accounts are refused",
    )
    region: Region = Field(default="us-west-2", description="an AWS region, such as us-west-2")
    permissions_boundary: str | None = Field(
        default=None,
        pattern=r"^arn:aws[-a-z]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$",
        description="the ARN of an IAM policy, the permissions boundary of every role that the stack creates; default: "
        "none",
    )
    endpoint: Annotated[str, Field(pattern=r"^https?://[0-9.]+:[0-9]{1,5}$"), AfterValidator(_endpoint)] | None = Field(
        default=None,
        description="the URL of an emulated AWS API with an IPv4 address and a port, such as http://127.0.0.1:5555 "
        "(defaults to the environment variable AEGIS_AWS_ENDPOINT in a preview, or if emulated is true); default: AWS",
    )
    only_repositories: bool = Field(
        default=False,
        description="true or false: whether to create only the image repositories, before the first images are pushed; "
        "deletion protection blocks this once a protected stack has more",
    )
    emulated: bool = Field(
        default=False, description="true or false: whether updates, too, go to an emulated AWS API instead of AWS"
    )

    @property
    def api(self) -> AwsApi:
        """The AWS API that the stack calls."""
        return AwsApi(endpoint=self.endpoint, updates=self.emulated)

    def account(self, project: str, environment: Environment) -> Account:
        """Return the AWS account, with the tags that all of its resources get."""
        return Account(
            project=project,
            environment=environment.name,
            account_id=self.account_id,
            region=self.region,
            permissions_boundary=self.permissions_boundary,
            partition=partition(self.region),
            tags={
                "Project": project,
                "Environment": environment.name,
                "Owner": environment.owner,
                "CostCenter": environment.cost_center,
                "ManagedBy": "pulumi",
            },
        )


class Egress(Section):
    """The networks outside the cluster that pods may reach, in addition to the database's."""

    aws: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, where pods reach the AWS API (S3, STS), "
        "such as those of VPC endpoints; default: all but link-local addresses, on port 443",
    )
    vault: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, where pods reach an external Vault "
        "server",
    )
    registry: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, where deliveries reach the registry of "
        "serving.repository; default: all but link-local addresses, on the registry's port",
    )
    alerts: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, where Alertmanager reaches the receivers "
        "of alerts; default: all but link-local addresses, on the receivers' ports",
    )


def partition(region: str) -> str:
    """Return the AWS partition of a region."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")

"""The environment that a stack is, its AWS account and region, and the networks that its pods may reach."""

import ipaddress
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from infra.aws.emulation import AwsApi
from infra.limits.account import Account
from infra.settings.names import Region, Tag
from infra.settings.section import Network, Section

# S3 buckets, IAM roles, repositories and RDS instances have it in their names, so it must satisfy all of their rules.
# Its greatest length follows from those names: see `names_in_aws`.
_NAME: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"
# By the prefix of their regions' names; all other regions are in AWS's public partition:
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
        raise ValueError("no port")
    return value


class Environment(Section):
    """The environment: its name is part of the names of its resources in AWS, and all three are their tags."""

    name: str = Field(
        pattern=_NAME,
        description="lower-case letters and digits with single hyphens between them, such as prod or eu-prod, as long "
        "as the names in AWS that contain it allow",
    )
    owner: Tag = Field(
        description="the owning team, as a tag: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not beginning with "
        "aws:",
    )
    cost_center: Tag = Field(
        description="the cost center, as a tag: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not beginning with "
        "aws:",
    )
    protected: bool = Field(
        default=True,
        description="true or false: whether the data in AWS outlives the stack (Pulumi's and AWS's deletion "
        "protection, a final snapshot)",
    )


class Aws(Section):
    """The AWS account and region that the stack is deployed to."""

    account_id: str = Field(
        pattern=r"^[0-9]{12}$",
        description="the 12 digits of the account, in quotes; credentials of another account are refused",
    )
    region: Region = Field(default="us-west-2", description="a region, such as us-west-2")
    permissions_boundary: str | None = Field(
        default=None,
        pattern=r"^arn:aws[-a-z]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$",
        description="the ARN of an IAM policy that bounds every role that the stack makes; default: none",
    )
    endpoint: Annotated[str, Field(pattern=r"^https?://[0-9.]+:[0-9]{1,5}$"), AfterValidator(_endpoint)] | None = Field(
        default=None,
        description="the address of an emulated AWS API by IPv4 address and port, such as http://127.0.0.1:5555 (the "
        "environment variable AEGIS_AWS_ENDPOINT fills in for a preview, and where emulated is true); default: AWS "
        "itself",
    )
    only_repositories: bool = Field(
        default=False,
        description="true or false: whether the stack has only the image repositories, as before the first images are "
        "pushed; deletion protection refuses it once the stack has more",
    )
    emulated: bool = Field(
        default=False, description="true or false: whether an update goes to an emulated AWS API instead of AWS"
    )

    @property
    def api(self) -> AwsApi:
        """The API that the stack's calls go to."""
        return AwsApi(endpoint=self.endpoint, updates=self.emulated)

    def account(self, project: str, environment: Environment) -> Account:
        """Return the account, with the tags of every resource in it."""
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
    """The networks outside of the cluster that pods may reach, beside the database's."""

    aws: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, in which AWS's API (S3, STS) is reached, "
        "such as those of VPC endpoints; default: everywhere but link-local addresses, on port 443",
    )
    vault: list[Network] = Field(
        default=[],
        description="a list of IPv4 addresses and networks, /8 at the widest, in which an external Vault is reached",
    )


def partition(region: str) -> str:
    """Return the partition of a region."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")

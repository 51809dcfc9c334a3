"""Which environment a stack is, and the AWS account that it lives in."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from infra.settings.names import Region, Tag
from infra.settings.section import Section

# Names of S3 buckets, IAM roles, repositories and RDS instances hold it, so it must fit all of their rules; how long it
# may be follows from what they are called, see `in_aws`.
_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def _endpoint(value: str) -> str:
    address = urlsplit(value)
    ipaddress.IPv4Address(address.hostname or "")
    if not address.port:
        raise ValueError("no port")
    return value


class Environment(Section):
    """The environment: its name is part of the names of what it has in AWS, and all three are tags of it."""

    name: str = Field(
        pattern=_NAME,
        description="lower-case letters and digits with single hyphens between them, such as prod or eu-prod, as long "
        "as the names in AWS that are made of it allow",
    )
    owner: Tag = Field(
        description="the team that answers for it, as a tag: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not "
        "beginning with aws:",
    )
    cost_center: Tag = Field(
        description="who pays for it, as a tag: 1 to 256 letters, digits, inner spaces or _.:/=+@-, not beginning with "
        "aws:",
    )
    protected: bool = Field(
        default=True,
        description="true or false: whether the data in AWS outlives the stack (Pulumi's and AWS's "
        "deletion protection, "
        "a final snapshot)",
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
        "environment's AEGIS_AWS_ENDPOINT fills in for a preview, and where emulated is true); default: AWS itself",
    )
    only_repositories: bool = Field(
        default=False,
        description="true or false: whether the stack has the image repositories and nothing else, as before the first "
        "images are pushed; the protection of what a stack has beside them refuses it later",
    )
    emulated: bool = Field(
        default=False, description="true or false: whether an update goes to an emulated AWS API instead of AWS"
    )

"""The AWS account of an environment: where its resources are, what they are called, and the tags that they bear.

Names and ARNs are computed from the settings, so that a preview shows them, and policies need not wait for resources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
LONGEST_BUCKET_NAME: Final = 63
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_ROLE_NAME: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An AWS account and region, as one environment of `project` sees them."""

    project: str
    environment: str
    account_id: str
    region: str
    tags: Mapping[str, str]
    permissions_boundary: str | None = None
    partition: str = "aws"

    def name(self, purpose: str) -> str:
        """Return the name of a resource of this account and region."""
        return f"{self.project}-{self.environment}-{purpose}"

    def bucket_name(self, purpose: str) -> str:
        """Return the name of a bucket: bucket names are shared by all accounts and regions of the partition.

        Raises:
            ValueError: It is longer than S3 allows.
        """
        return _within(f"{self.name(purpose)}-{self.account_id}-{self.region}", LONGEST_BUCKET_NAME, "bucket")

    def role_name(self, purpose: str) -> str:
        """Return the name of an IAM role: roles are the account's, in all of its regions.

        Raises:
            ValueError: It is longer than IAM allows.
        """
        return _within(f"{self.name(purpose)}-{self.region}", LONGEST_ROLE_NAME, "role")

    def bucket_arn(self, bucket: str) -> str:
        """Return the ARN of a bucket by its name."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account in a service without regions, such as IAM."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"


def _within(name: str, longest: int, what: str) -> str:
    if len(name) > longest:
        raise ValueError(f"the {what} name {name!r} has {len(name)} characters: allowed are {longest}.")
    return name

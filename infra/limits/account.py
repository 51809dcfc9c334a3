"""The AWS account of an environment: its region, and the names, ARNs and tags of its resources.

Names and ARNs are computed from the settings, so a preview shows them and policies needn't wait for resources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.limits import aws_names

# The purpose in the name of the IAM role with which S3 replicates objects to another region.
REPLICATION: Final = "replication"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An AWS account and region, in which one environment of `project` has its resources."""

    project: str
    environment: str
    account_id: str
    region: str
    tags: Mapping[str, str]
    permissions_boundary: str | None = None
    partition: str = "aws"

    def name(self, purpose: str) -> str:
        """Return the name of a resource for `purpose` in this account and region."""
        return f"{self.project}-{self.environment}-{purpose}"

    def bucket_name(self, purpose: str) -> str:
        """Return the name of a bucket, which must be unique in all accounts and regions of the partition.

        Raises:
            RefusedNameError: S3 would refuse the name.
        """
        return aws_names.BUCKET.checked(f"{self.name(purpose)}-{self.account_id}-{self.region}")

    def role_name(self, purpose: str) -> str:
        """Return the name of an IAM role, which must be unique in all regions of the account.

        Raises:
            RefusedNameError: IAM would refuse the name.
        """
        return aws_names.ROLE.checked(f"{self.name(purpose)}-{self.region}")

    def database_identifier(self) -> str:
        """Return the name of the RDS instance of MLflow's database.

        Raises:
            RefusedNameError: RDS would refuse the name.
        """
        return aws_names.DATABASE.checked(self.name("mlflow"))

    def key_alias(self, purpose: str) -> str:
        """Return the alias of a KMS key.

        Raises:
            RefusedNameError: KMS would refuse the alias.
        """
        return aws_names.ALIAS.checked(f"alias/{self.name(purpose)}")

    def repository_name(self, image: str) -> str:
        """Return the name of the ECR repository of an image.

        Raises:
            RefusedNameError: ECR would refuse the name.
        """
        return aws_names.REPOSITORY.checked(f"{self.project}-{self.environment}/{image}")

    def bucket_arn(self, bucket: str) -> str:
        """Return the ARN of the bucket with this name."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and a service without regions, such as IAM."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"

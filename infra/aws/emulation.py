"""The AWS API that an environment uses: AWS's own, or an emulated one at an address of its own.

Everything that differs between the two is here: the provider's arguments, the pods' variables, the address and the
networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.limits.flows import Server, outside

# What the provider calls: a service without an endpoint here would go to AWS itself.
_SERVICES: Final = ("ec2", "ecr", "eks", "iam", "kms", "logs", "rds", "s3", "s3control", "sts")
_AWS: Final = "https://amazonaws.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsApi:
    """The AWS API; `endpoint` is the URL of an emulated one, by IPv4 address and port, None for AWS's own.

    `updates` says that updates go to the emulated one, too. Otherwise it only answers previews of an environment that
    is in AWS.
    """

    endpoint: str | None = None
    updates: bool = False

    @property
    def is_emulated(self) -> bool:
        """Whether calls go to an emulated API."""
        return self.endpoint is not None

    @property
    def public_endpoint(self) -> str | None:
        """The address at which people call it, None for AWS's own: a preview shows the account's own outputs."""
        return self.endpoint if self.updates else None

    def provider_arguments(self) -> dict[str, Any]:
        """Return the arguments of the `aws` provider that send its calls here."""
        emulated = self.is_emulated
        return {
            "endpoints": [dict.fromkeys(_SERVICES, self.endpoint)] if emulated else None,
            "s3_use_path_style": emulated or None,
            "skip_metadata_api_check": emulated or None,
            # Pulumi's default is to skip it, and a mistyped region would show as a host name that doesn't resolve.
            "skip_region_validation": emulated,
        }

    def variables(self) -> dict[str, str]:
        """Return the variables with which the AWS SDKs of a pod call this API."""
        return {} if self.endpoint is None else {"AWS_ENDPOINT_URL": self.endpoint}

    def server(self, networks: Sequence[str]) -> Server:
        """Return the end of the pods' flows to it; `networks` are those of AWS's endpoints, none for anywhere."""
        if self.endpoint is None:
            return outside(_AWS, networks)
        host = self.endpoint.rpartition("/")[2].partition(":")[0]
        return outside(self.endpoint, (f"{host}/32",))

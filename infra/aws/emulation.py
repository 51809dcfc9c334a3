"""The AWS API that an environment uses: the real one, or an emulated one at its own address.

This module holds everything that differs between the two: the provider's arguments, the environment variables of pods,
the public address and the networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.limits.flows import Server, outside

# All services that the provider calls. A service that is missing here would be called at AWS itself.
_SERVICES: Final = ("cloudwatch", "ec2", "ecr", "eks", "iam", "kms", "logs", "rds", "s3", "s3control", "sns", "sts")
_AWS: Final = "https://amazonaws.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsApi:
    """The AWS API; `endpoint` is the URL of an emulated one, with IPv4 address and port, None for the real one.

    `updates` is true if updates go to the emulated API too. Otherwise it only answers previews of an environment in
    AWS.
    """

    endpoint: str | None = None
    updates: bool = False

    @property
    def is_emulated(self) -> bool:
        """Whether calls go to an emulated API."""
        return self.endpoint is not None

    @property
    def public_endpoint(self) -> str | None:
        """The URL at which users reach an emulated API, None if the environment itself is in AWS."""
        return self.endpoint if self.updates else None

    def provider_arguments(self) -> dict[str, Any]:
        """Return the arguments that make the `aws` provider call this API."""
        emulated = self.is_emulated
        return {
            "endpoints": [dict.fromkeys(_SERVICES, self.endpoint)] if emulated else None,
            "s3_use_path_style": emulated or None,
            "skip_metadata_api_check": emulated or None,
            # Pulumi skips the validation by default, so a mistyped region would fail as an unknown host name.
            "skip_region_validation": emulated,
        }

    def variables(self) -> dict[str, str]:
        """Return the environment variables that make the AWS SDKs of a pod call this API."""
        return {} if self.endpoint is None else {"AWS_ENDPOINT_URL": self.endpoint}

    def server(self, networks: Sequence[str]) -> Server:
        """Return the API as the server of pods' flows; `networks` are those of AWS's endpoints, none for anywhere."""
        if self.endpoint is None:
            return outside(_AWS, networks)
        host = self.endpoint.rpartition("/")[2].partition(":")[0]
        return outside(self.endpoint, (f"{host}/32",))

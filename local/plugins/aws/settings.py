"""The configuration of the provider resource `aws`: region, allowed accounts, endpoints and credentials."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.plugins.provider import PluginError
from local.plugins.values import Bag

# Inputs that only control how the official plugin calls services that an emulated AWS doesn't have.
_IGNORED: Final = frozenset(
    {
        "maxRetries",
        "pluginDownloadURL",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "version",
    }
)
_SUPPORTED: Final = frozenset(
    {
        "accessKey",
        "allowedAccountIds",
        "endpoints",
        "forbiddenAccountIds",
        "region",
        "s3UsePathStyle",
        "secretKey",
        "token",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The endpoints of the emulated AWS, and the credentials for it."""

    region: str
    # URLs by service, such as `{"s3": "http://127.0.0.1:5000"}`.
    endpoints: Mapping[str, str]
    access_key: str
    secret_key: str
    token: str | None = None
    path_style: bool = False
    # If this isn't empty, only these accounts are allowed.
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.region:
            message = "aws: no region; set it on the provider or in AWS_REGION"
            raise PluginError(message)
        if not self.endpoints:
            message = (
                "aws: no endpoints: the embedded plugin talks to an emulated AWS only. For AWS itself install the "
                "official plugin ('pulumi plugin install resource aws')"
            )
            raise PluginError(message)
        if not (self.access_key and self.secret_key):
            message = (
                "aws: no credentials; set accessKey and secretKey on the provider, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (an emulated AWS accepts any)"
            )
            raise PluginError(message)


def read(config: Bag, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the provider's inputs, which arrive as JSON texts. AWS's environment variables fill in missing ones.

    Raises:
        PluginError: an input is missing, or only the official plugin supports it.
    """
    inputs = {name: _plain(value) for name, value in config.items() if value is not None and not name.startswith("__")}
    unsupported = sorted(inputs.keys() - _SUPPORTED - _IGNORED)
    if unsupported:
        message = f"aws: the embedded plugin takes {', '.join(sorted(_SUPPORTED))}, but not {', '.join(unsupported)}"
        raise PluginError(message)
    key, secret = inputs.get("accessKey"), inputs.get("secretKey")
    return Settings(
        region=inputs.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", ""),
        endpoints={service: url for each in inputs.get("endpoints", []) for service, url in each.items() if url},
        access_key=key or environment.get("AWS_ACCESS_KEY_ID", ""),
        secret_key=secret or environment.get("AWS_SECRET_ACCESS_KEY", ""),
        token=inputs.get("token") or (None if key else environment.get("AWS_SESSION_TOKEN")),
        path_style=bool(inputs.get("s3UsePathStyle")),
        allowed_accounts=tuple(inputs.get("allowedAccountIds", ())),
        forbidden_accounts=tuple(inputs.get("forbiddenAccountIds", ())),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value.
    if not isinstance(value, str) or not value.startswith(("[", "{", "true", "false")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value

"""The settings of a stack's file that decide how it is brought up on this machine; the program reads the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import contracts
from local import paths
from local.errors import LocalError

# An account id that AWS never assigns: a stack with it uses the emulated AWS API.
EMULATED_ACCOUNT = "000000000001"
DEFAULT_REGION = "us-west-2"
_KEY_SERVICE = "awskms://"
_FOLDER = paths.REPOSITORY / "stacks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A stack; `account_id` is None outside AWS, `secrets_provider` is None if a passphrase encrypts the secrets."""

    name: str
    account_id: str | None = None
    region: str = DEFAULT_REGION
    eks_name: str | None = None
    secrets_provider: str | None = None
    # Ports of localhost for its servers, by the names of `contracts.SERVERS`.
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def emulated(self) -> bool:
        """Whether the stack uses the emulated AWS API."""
        return self.account_id == EMULATED_ACCOUNT

    @property
    def file(self) -> Path:
        """The stack's file."""
        return _FOLDER / f"Pulumi.{self.name}.yaml"

    @property
    def secrets_key(self) -> str | None:
        """The KMS key of the stack's secrets: `alias/name` in `awskms://alias/name?region=...`."""
        if self.secrets_provider is None or not self.secrets_provider.startswith(_KEY_SERVICE):
            return None
        return self.secrets_provider.removeprefix(_KEY_SERVICE).partition("?")[0]

    @property
    def in_aws(self) -> bool:
        """Whether the stack runs in a real AWS account, not on this machine."""
        return self.account_id is not None and not self.emulated


def names() -> list[str]:
    """Return the names of the stacks that have a file."""
    return sorted(file.stem.removeprefix("Pulumi.") for file in _FOLDER.glob("Pulumi.*.yaml"))


def read(name: str) -> Stack:
    """Return a stack.

    Raises:
        LocalError: The stack has no file; the message lists the stacks that have one.
    """
    if name not in names():
        raise LocalError(f"The stack must be one of {', '.join(names())}, got {name!r}.")
    content: dict[str, Any] = yaml.safe_load((_FOLDER / f"Pulumi.{name}.yaml").read_text()) or {}
    config = content.get("config") or {}
    aws, cluster = config.get("aegis:aws") or {}, config.get("aegis:cluster") or {}
    return Stack(
        name=name,
        account_id=str(aws["accountId"]) if "accountId" in aws else None,
        region=aws.get("region", DEFAULT_REGION),
        eks_name=cluster.get("eksName"),
        secrets_provider=content.get("secretsprovider"),
        ports=_ports(config),
    )


def _ports(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the ports of the servers that the stack has in the cluster; the program validates the settings."""
    configured = config.get("aegis:localhost")
    if not isinstance(configured, dict):
        return {}
    in_aws = (config.get("aegis:artifactStore") or {}).get("kind") == "s3"
    absent = {
        "gateway": (config.get("aegis:gateway") or {}).get("enabled") is not True,
        "s3": in_aws,
        "s3_console": in_aws,
        "postgres": (config.get("aegis:database") or {}).get("kind") == "rds",
        "vault": (config.get("aegis:vault") or {}).get("kind") == "external",
        **dict.fromkeys(
            ("prometheus", "alertmanager"), (config.get("aegis:monitoring") or {}).get("kind") != "in-cluster"
        ),
    }
    ports = {server: configured.get(_camel(server), default) for server, default in contracts.LOCALHOST_PORTS.items()}
    return {server: port for server, port in ports.items() if isinstance(port, int) and not absent.get(server)}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)

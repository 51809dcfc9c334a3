"""What the files of the stacks say that decides how a stack is brought up here; the rest is the program's matter."""

from dataclasses import dataclass
from typing import Any

import yaml

from local import paths
from local.errors import LocalError

# Of the accounts that AWS gives nobody: a stack that names it runs against the emulated API.
EMULATED_ACCOUNT = "000000000001"
DEFAULT_REGION = "us-west-2"
_KEY_SERVICE = "awskms://"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A stack; `account_id` is None outside AWS, and `secrets_key` is what KMS knows the key of its secrets by."""

    name: str
    account_id: str | None = None
    region: str = DEFAULT_REGION
    eks_name: str | None = None
    secrets_key: str | None = None

    @property
    def emulated(self) -> bool:
        """Whether `make up` has an AWS account for it."""
        return self.account_id == EMULATED_ACCOUNT

    @property
    def in_aws(self) -> bool:
        """Whether it is brought up in an account of AWS's, and not here."""
        return self.account_id is not None and not self.emulated


def names() -> list[str]:
    """Return the names of the stacks that have a file."""
    files = (paths.REPOSITORY / "stacks").glob("Pulumi.*.yaml")
    return sorted(file.stem.removeprefix("Pulumi.") for file in files)


def read(name: str) -> Stack:
    """Return a stack.

    Raises:
        LocalError: It has no file; names the stacks that there are.
    """
    if name not in names():
        raise LocalError(f"There is no stack {name!r}: the stacks are {', '.join(names())}.")
    text = (paths.REPOSITORY / "stacks" / f"Pulumi.{name}.yaml").read_text()
    given: dict[str, Any] = yaml.safe_load(text) or {}
    config = given.get("config") or {}
    aws, cluster = config.get("aegis:aws") or {}, config.get("aegis:cluster") or {}
    return Stack(
        name=name,
        account_id=str(aws["accountId"]) if "accountId" in aws else None,
        region=aws.get("region", DEFAULT_REGION),
        eks_name=cluster.get("eksName"),
        secrets_key=_secrets_key(given.get("secretsprovider", "")),
    )


def _secrets_key(provider: str) -> str | None:
    """Return the key of `awskms://alias/name?region=...`, or of `awskms:///arn:...`."""
    if not provider.startswith(_KEY_SERVICE):
        return None
    return provider.removeprefix(_KEY_SERVICE).partition("?")[0].removeprefix("/")

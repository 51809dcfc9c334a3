"""The credentials of a registry: those of Docker's config.json, or a token of Amazon ECR.

`DOCKER_CONFIG` is the folder of config.json, as for Docker's own client; a pod mounts a secret of the type
`kubernetes.io/dockerconfigjson` there. Programs that config.json names as credential helpers aren't run.
"""

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from contracts import Exit
from workloads import aws
from workloads.cli import WorkloadError, file_error

_FOLDER: Final = "DOCKER_CONFIG"
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html; the suffix depends on the partition.
_ECR: Final = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.([a-z0-9.-]+)")
# The server that stands for Docker Hub in config.json.
_DOCKER_HUB: Final = "https://index.docker.io/v1/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user name and a password; or a token in place of the password, which only buys other tokens."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"

    @property
    def basic(self) -> str:
        """The value of the header Authorization (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def of_registry(host: str) -> Credentials | None:
    """Return the credentials of the registry at `host`, or None.

    Raises:
        WorkloadError: config.json can't be used, or AWS refuses a token.
    """
    return _from_config(host) or (_from_ecr(region) if (region := ecr_region(host)) else None)


def ecr_region(host: str) -> str | None:
    """Return the region of a private registry of Amazon ECR, in any partition of AWS, or None for another host."""
    found = _ECR.fullmatch(host)
    if not found:
        return None
    partitions = botocore.session.Session().get_data("partitions")["partitions"]
    for partition in partitions:
        if re.fullmatch(partition["regionRegex"], found[1]):
            return found[1] if found[2] == partition["outputs"]["dnsSuffix"] else None
    return None


def _from_ecr(region: str) -> Credentials:
    """Log in with the pod's role; a token is valid for 12 hours."""
    try:
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
        user, _, password = (
            base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().partition(":")
        )
    except (BotoCoreError, ClientError) as error:
        raise WorkloadError(f"Amazon ECR in {region} gives no token: {aws.reason(error)}", Exit.OBJECT_STORE) from error
    return Credentials(user=user, password=password)


def _from_config(host: str) -> Credentials | None:
    path = Path(os.environ.get(_FOLDER) or Path.home() / ".docker") / "config.json"
    try:
        match json.loads(path.read_bytes()):
            case {"auths": dict(auths)}:
                return _entry(auths, host, path)
            case dict():
                return None
            case _:
                raise WorkloadError(f"{path} is not a JSON object.", Exit.USAGE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(path, "read", error) from error
    # The error would quote the content, which is secret.
    except (ValueError, RecursionError):
        raise WorkloadError(f"{path} is not JSON.", Exit.USAGE) from None


def _entry(auths: dict[str, Any], host: str, path: Path) -> Credentials | None:
    names = (host, f"https://{host}", f"https://{host}/v2/", f"https://{host}/v1/")
    for name in (*names, *([_DOCKER_HUB] if host == "docker.io" else [])):
        match auths.get(name):
            case {"identitytoken": str(token)} if token:
                return Credentials(identity_token=token)
            case {"auth": str(encoded)} if encoded:
                return _decoded(encoded, name, path)
            case {"username": str(user), "password": str(password)}:
                return Credentials(user=user, password=password)
    return None


def _decoded(encoded: str, name: str, path: Path) -> Credentials:
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = user = password = ""
    if not colon:
        raise WorkloadError(f"{path}: `auth` of {name} must be USER:PASSWORD in base64.", Exit.USAGE)
    return Credentials(user=user, password=password)

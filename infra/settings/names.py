"""Names that a stack file gives, as those that hold them take them: AWS, Vault, MLflow."""

import posixpath
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

# What Vault keeps for itself, https://developer.hashicorp.com/vault/docs/enterprise/namespaces#namespace-naming-restrictions
# and the constant `protectedMounts` of its source; an auth method can't be where tokens are made.
_RESERVED_MOUNTS: Final = ("audit", "auth", "cubbyhole", "identity", "sys")
_RESERVED_METHODS: Final = (*_RESERVED_MOUNTS, "token")
_RESERVED_NAMESPACES: Final = (*_RESERVED_MOUNTS, "root")
_DOTS: Final = (".", "..")
# https://docs.aws.amazon.com/general/latest/gr/rande.html, those of other partitions included.
REGION: Final = r"^[a-z]{2,4}(-[a-z]+)+-[1-9][0-9]?$"
# Vault's own pattern of a key's name, `framework.GenericNameRegex`.
_KEY: Final = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$"
_METRIC: Final = re.compile(r"[/\w.\- :]+")
# The columns of MLflow's database.
LONGEST_IN_MLFLOW: Final = 256


def _segments(value: str, reserved: tuple[str, ...]) -> str:
    segments = value.split("/")
    if segments[0] in reserved or any(each in _DOTS for each in segments):
        raise ValueError("reserved")
    return value


def _mount(value: str) -> str:
    return _segments(value, _RESERVED_MOUNTS)


def _method(value: str) -> str:
    return _segments(value, _RESERVED_METHODS)


def _namespace(value: str) -> str:
    # No part of the path may be one of them, as each is the name of a namespace in the one before it.
    for segment in value.split("/"):
        _segments(segment, _RESERVED_NAMESPACES)
    return value


def _tag(value: str) -> str:
    # AWS keeps the prefix, in any case; its services cut spaces off or don't.
    if value.strip() != value or value.lower().startswith("aws:"):
        raise ValueError("reserved")
    return value


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("nothing to read")
    return value


def _path(value: str) -> str:
    """Check what MLflow also takes for a path: it refuses one that can be written in another way."""
    if posixpath.normpath(value) != value or value == "." or value.startswith(("..", "/")):
        raise ValueError("no path")
    return value


def _metric(value: str) -> str:
    if _METRIC.fullmatch(value) is None:
        raise ValueError("MLflow takes other characters")
    return _path(value)


# What AWS takes as the value of a tag: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
Tag = Annotated[str, Field(max_length=256, pattern=r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$"), AfterValidator(_tag)]
Region = Annotated[str, Field(pattern=REGION)]
Mount = Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"), AfterValidator(_mount)]
# In lower case: a policy is named after it, and Vault doesn't tell `A` from `a` in those.
AuthMount = Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9_.-]+(/[a-z0-9_.-]+)*$"), AfterValidator(_method)]
VaultNamespace = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"), AfterValidator(_namespace)]
TransitKey = Annotated[str, Field(max_length=128, pattern=_KEY)]
Experiment = Annotated[str, Field(max_length=LONGEST_IN_MLFLOW), AfterValidator(_text)]
Metric = Annotated[str, Field(max_length=250), AfterValidator(_metric)]
# Without a quote: filters of the model registry are written with one.
Model = Annotated[
    str, Field(max_length=LONGEST_IN_MLFLOW, pattern=r"^[^/:']+$"), AfterValidator(_text), AfterValidator(_path)
]

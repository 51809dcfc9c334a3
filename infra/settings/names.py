"""Types of names in a stack file, with the rules of the system that uses each name: AWS, Vault or MLflow."""

import posixpath
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

# Names that Vault reserves: https://developer.hashicorp.com/vault/docs/enterprise/namespaces#namespace-naming-restrictions
# and the constant `protectedMounts` in its source. `token` is the path of the built-in token auth method.
_RESERVED_MOUNTS: Final = ("audit", "auth", "cubbyhole", "identity", "sys")
_RESERVED_METHODS: Final = (*_RESERVED_MOUNTS, "token")
_RESERVED_NAMESPACES: Final = (*_RESERVED_MOUNTS, "root")
_DOTS: Final = (".", "..")
# https://docs.aws.amazon.com/general/latest/gr/rande.html, including the regions of other partitions.
REGION: Final = r"^[a-z]{2,4}(-[a-z]+)+-[1-9][0-9]?$"
# Vault's pattern for key names, `framework.GenericNameRegex`.
_KEY: Final = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$"
_METRIC: Final = re.compile(r"[/\w.\- :]+")
# MLflow reserves these (mlflow/utils/validation.py).
_VERSION_ALIAS: Final = re.compile(r"[vV]\d+")
# Characters: the width of the columns in MLflow's database.
LONGEST_IN_MLFLOW: Final = 256
# Bytes, the limit of Linux.
LONGEST_FILE_NAME: Final = 255


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
    # Each part of the path is the name of a namespace, so none may be a reserved name.
    for segment in value.split("/"):
        _segments(segment, _RESERVED_NAMESPACES)
    return value


def _tag(value: str) -> str:
    # AWS reserves the prefix, in upper or lower case. Only some of its services strip outer spaces.
    if value.strip() != value or value.lower().startswith("aws:"):
        raise ValueError("reserved")
    return value


def _alias(value: str) -> str:
    if value.lower() == "latest" or _VERSION_ALIAS.fullmatch(value):
        raise ValueError("reserved")
    return value


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("empty or not printable")
    return value


def _path(value: str) -> str:
    """Check a name that MLflow also uses as a path: it refuses any path that isn't in normal form."""
    if posixpath.normpath(value) != value or value == "." or value.startswith(("..", "/")):
        raise ValueError("not a normalized relative path")
    return value


def _file_name(value: str) -> str:
    # A release packs the model in a folder with this name.
    if len(value.encode()) > LONGEST_FILE_NAME:
        raise ValueError("too long")
    return value


def _metric(value: str) -> str:
    if _METRIC.fullmatch(value) is None:
        raise ValueError("MLflow refuses these characters")
    return _path(value)


# The values that AWS accepts for a tag: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
Tag = Annotated[str, Field(max_length=256, pattern=r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$"), AfterValidator(_tag)]
Region = Annotated[str, Field(pattern=REGION)]
Mount = Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"), AfterValidator(_mount)]
# Lower case only: a policy is named after it, and Vault's policy names ignore case.
AuthMount = Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9_.-]+(/[a-z0-9_.-]+)*$"), AfterValidator(_method)]
VaultNamespace = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"), AfterValidator(_namespace)]
TransitKey = Annotated[str, Field(max_length=128, pattern=_KEY)]
Alias = Annotated[str, Field(max_length=255, pattern=r"^[\w\-]+$"), AfterValidator(_alias)]
Experiment = Annotated[str, Field(max_length=LONGEST_IN_MLFLOW), AfterValidator(_text)]
Metric = Annotated[str, Field(max_length=250), AfterValidator(_metric)]
# No quotes: the filters of the model registry put the name in quotes.
Model = Annotated[
    str, Field(pattern=r"^[^/:']+$"), AfterValidator(_text), AfterValidator(_path), AfterValidator(_file_name)
]

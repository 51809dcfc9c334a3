"""The base of all sections of a stack file, and types that several sections use.

The description of a field states its allowed values, for the error messages and for `docs/settings.md`.
"""

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from infra.limits.kubernetes_names import LABEL
from infra.limits.quantities import MOST_VOLUME_GIB, gibibytes, mebibytes

# A namespace is named by an RFC 1123 label. Hosts and most other objects are named by subdomains, which are labels
# joined by dots.
_LABEL: Final = rf"^{LABEL}$"
_NAME: Final = rf"{LABEL}(\.{LABEL})*"
_LONGEST_NAME: Final = 253
_PORT: Final = r"(:[0-9]{1,5})?"
# The form of the key and value of a node label:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_WORD: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
# Whole cores, or thousandths of one:
# https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#meaning-of-cpu
_CPU: Final = r"^([1-9][0-9]{0,2}|[1-9][0-9]{0,5}m)$"
# https://github.com/distribution/reference/blob/main/reference.go
_FOLDER: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_NODE_LABEL: Final = rf"^({_NAME}/)?{_WORD}$"
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
# https://kubernetes.io/docs/concepts/configuration/configmap/ allows 1 MiB, with the object's metadata.
MOST_CONFIG_MAP_BYTES: Final = 1_000_000
# A wider network would allow almost everything.
_WIDEST_PREFIX: Final = 8


class Section(BaseModel):
    """Base of every section: frozen, strict types, camelCase keys in the stack file, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True, alias_generator=to_camel)


def _volume_size(value: str) -> str:
    if not 1 <= gibibytes(value) <= MOST_VOLUME_GIB:
        raise ValueError("out of range")
    return value


def _memory_size(value: str) -> str:
    mebibytes(value)
    return value


def _port(value: str) -> str:
    """Check the port of a host or a URL, which a pattern can't. `urlsplit` itself refuses ports above 65535."""
    if urlsplit(f"//{value.rpartition('//')[2]}").port == 0:
        raise ValueError("not a port")
    return value


def _web_address(value: str) -> str:
    _name(_port(urlsplit(value).netloc))
    return value


def _repository(value: str) -> str:
    """Check that a repository starts with its registry: otherwise a client asks a public one."""
    registry = value.partition("/")[0]
    if not {".", ":"} & set(registry):
        raise ValueError("no registry")
    _port(registry)
    _name(registry)
    return value


def _existing_file(value: str) -> str:
    if not Path(value).is_file():
        raise ValueError("no such file")
    return value


def _in_repository(value: str) -> str:
    """Return the path relative to the working directory, where the program and its providers open it."""
    return value if Path(value).is_absolute() else os.path.relpath(_REPOSITORY / value)


def _small_file(value: str) -> str:
    path = _in_repository(value)
    if not Path(path).is_file():
        raise ValueError("no such file")
    if Path(path).stat().st_size > MOST_CONFIG_MAP_BYTES:
        raise ValueError("too large")
    Path(path).read_text(encoding="utf-8")
    return path


def _certificates(value: str) -> str:
    path = _in_repository(value)
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ValueError("not a file of certificates") from error
    if "PRIVATE KEY" in Path(path).read_text():
        raise ValueError("pods would read the private key")
    return path


def _name(value: str) -> str:
    """Check the length of a host name, and that a name that looks like an IPv4 address is one."""
    host = value.rpartition("//")[2].partition(":")[0]
    if len(host) > _LONGEST_NAME:
        raise ValueError("too long")
    if host.rpartition(".")[2].isdigit():
        ipaddress.IPv4Address(host)
    return value


def _node_label(value: str) -> str:
    if len(value.rpartition("/")[0]) > _LONGEST_NAME:
        raise ValueError("too long")
    return value


def _network(value: str) -> str:
    """Return the network in the form that Kubernetes accepts, `address/prefix`; an address alone gets `/32`.

    Bits beyond the prefix are refused: they show that the address or the prefix is a mistake.
    """
    network = ipaddress.IPv4Network(value)
    if network.prefixlen < _WIDEST_PREFIX:
        raise ValueError("too wide")
    return str(network)


# What a description says of them.
VOLUME_SIZES: Final = f"a volume size from 1Gi to {MOST_VOLUME_GIB // 1024}Ti"
VolumeSize = Annotated[str, AfterValidator(_volume_size)]
MemorySize = Annotated[str, AfterValidator(_memory_size)]
ExistingFile = Annotated[str, AfterValidator(_existing_file)]
# A text file of the repository, for a ConfigMap.
SmallFile = Annotated[str, AfterValidator(_small_file)]
CertificatesFile = Annotated[str, AfterValidator(_certificates)]
Cpu = Annotated[str, Field(pattern=_CPU)]
Network = Annotated[str, AfterValidator(_network)]
Label = Annotated[str, Field(pattern=_LABEL)]
Subdomain = Annotated[str, Field(max_length=_LONGEST_NAME, pattern=f"^{_NAME}$")]
Host = Annotated[str, Field(pattern=f"^{_NAME}{_PORT}$"), AfterValidator(_port), AfterValidator(_name)]
HttpsAddress = Annotated[str, Field(pattern=f"^https://{_NAME}{_PORT}$"), AfterValidator(_port), AfterValidator(_name)]
# Without a user: an address is no place for a password.
WebAddress = Annotated[str, Field(pattern=rf"^https?://{_NAME}{_PORT}(/[^\s?#]*)?$"), AfterValidator(_web_address)]
Repository = Annotated[str, Field(pattern=rf"^{_NAME}{_PORT}(/{_FOLDER})+$"), AfterValidator(_repository)]
NodeLabel = Annotated[str, Field(pattern=_NODE_LABEL), AfterValidator(_node_label)]
NodeLabelValue = Annotated[str, Field(pattern=f"^({_WORD})?$")]

"""The user's own kubeconfig: which contexts it has, and which of its files has the one that is asked for.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import contracts
from local.errors import LocalError

# minikube says so in each context of its own: pkg/minikube/kubeconfig/settings.go.
_MINIKUBE = "minikube.sigs.k8s.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """A context, and the file that has it."""

    name: str
    file: Path
    is_minikube: bool = False


def files() -> list[Path]:
    """Return the files that kubectl would read: those of `KUBECONFIG`, else `~/.kube/config`."""
    given = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return given or [Path.home() / ".kube" / "config"]


def find(name: str) -> Context:
    """Return a context.

    Raises:
        LocalError: There is none of this name; tells which there are. Or a file can't be read.
    """
    contexts = list(_contexts())
    found = next((context for context in contexts if context.name == name), None)
    if found is None:
        known = ", ".join(sorted({context.name for context in contexts})) or "none"
        where = os.pathsep.join(map(str, files()))
        raise LocalError(f"{contracts.CONTEXT_ENV} is {name!r}, and the contexts of {where} are: {known}.")
    return found


def _contexts() -> Iterator[Context]:
    for file in files():
        for entry in _entries(_read(file), "contexts"):
            if isinstance(name := entry.get("name"), str):
                yield Context(name=name, file=file.absolute(), is_minikube=name == "minikube" or _is_minikube(entry))


def _is_minikube(entry: Mapping[str, Any]) -> bool:
    described = entry.get("context")
    extensions = _entries(described, "extensions") if isinstance(described, dict) else ()
    told = (extension.get("extension") for extension in extensions)
    return any(isinstance(text, dict) and text.get("provider") == _MINIKUBE for text in told)


def _entries(document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    for entry in document.get(key) or ():
        if isinstance(entry, dict):
            yield entry


def _read(file: Path) -> Mapping[str, Any]:
    """Return what a file says; nothing if it isn't there, as kubectl does."""
    try:
        given = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"The kubeconfig {file} can't be read: {error}") from None
    except yaml.YAMLError:
        # The error would quote the file, which holds credentials.
        raise LocalError(f"The kubeconfig {file} is no YAML.") from None
    return given if isinstance(given, dict) else {}

"""The contexts of the user's own kubeconfig, and the file that defines each.

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

# minikube marks its contexts with this provider: pkg/minikube/kubeconfig/settings.go.
_MINIKUBE = "minikube.sigs.k8s.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """A context, and the file that defines it."""

    name: str
    file: Path
    is_minikube: bool = False


def files() -> list[Path]:
    """Return the files that kubectl reads: those of `KUBECONFIG`, else `~/.kube/config`."""
    configured = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return configured or [Path.home() / ".kube" / "config"]


def find(name: str) -> Context:
    """Return a context.

    Raises:
        LocalError: No context has this name, or a file can't be read; the message lists the contexts.
    """
    contexts = list(_contexts())
    found = next((context for context in contexts if context.name == name), None)
    if found is None:
        allowed = ", ".join(sorted({context.name for context in contexts})) or "none"
        origin = os.pathsep.join(map(str, files()))
        raise LocalError(f"{contracts.CONTEXT_ENV} must be a context of {origin} ({allowed}), got {name!r}.")
    return found


def _contexts() -> Iterator[Context]:
    for file in files():
        for entry in _entries(_read(file), "contexts"):
            if isinstance(name := entry.get("name"), str):
                yield Context(name=name, file=file.absolute(), is_minikube=name == "minikube" or _is_minikube(entry))


def _is_minikube(entry: Mapping[str, Any]) -> bool:
    context = entry.get("context")
    extensions = _entries(context, "extensions") if isinstance(context, dict) else ()
    contents = (extension.get("extension") for extension in extensions)
    return any(isinstance(content, dict) and content.get("provider") == _MINIKUBE for content in contents)


def _entries(document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    for entry in document.get(key) or ():
        if isinstance(entry, dict):
            yield entry


def _read(file: Path) -> Mapping[str, Any]:
    """Return the content of a file; empty if the file is missing, as kubectl has it."""
    try:
        content = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"The kubeconfig {file} can't be read: {error}") from None
    except yaml.YAMLError:
        # YAML's own error would quote the file, which holds credentials.
        raise LocalError(f"The kubeconfig {file} is not valid YAML.") from None
    return content if isinstance(content, dict) else {}

"""The names and labels of a served model's Kubernetes objects."""

import hashlib
import re
from typing import Final

import contracts

_PREFIX: Final = "aegis.serving/"
# On every object of the reconciler, so that it finds its own ones.
MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "aegis-serving", "app.kubernetes.io/part-of": "aegis"}
FIELD_MANAGER: Final = "aegis-serving"
MODEL: Final = f"{_PREFIX}model"
VERSION: Final = f"{_PREFIX}version"
TRACK: Final = f"{_PREFIX}track"
# On the pods that answer while a canary is tried.
TRAFFIC: Final = f"{_PREFIX}traffic"
OPEN: Final = "open"
# The registered model's name, which a label can't hold.
MODEL_NAME: Final = f"{_PREFIX}model-name"
# On the ConfigMaps with what was rolled back by hand, and with what the reconciler remembers.
HOLD: Final = f"{_PREFIX}hold"
STATE: Final = f"{_PREFIX}state"
# In the latter.
MEMORY_KEY: Final = "memory.json"
STATUS_KEY: Final = "status.json"
# On a ConfigMap of the command line: when somebody asked, so that a version that failed is tried again.
ASKED: Final = f"{_PREFIX}asked"

# Characters: `deliver-NAME-vVERSION-xxxxx`, with nine digits, is the name of a pod, and a label has at most 63.
_LONGEST: Final = 36
# Hexadecimal digits: nobody finds a second name with the same 64 bits.
_HASH: Final = 16
_PLAIN: Final = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
# Labels of other models end like this, and names of the Services that KServe makes for a version.
_OTHERS: Final = re.compile(rf".*-([0-9a-f]{{{_HASH}}}|v[0-9]+(-[a-z]+)?)")
# Services of the namespace that aren't a model's.
_TAKEN: Final = {"kubernetes", contracts.RECONCILER}


def label(model: str) -> str:
    """Return the DNS label of a registered model: its name, or its start and a hash if the name can't be one.

    A name that looks like another model's label or object gets one too, so that no two models share a name.
    """
    if _PLAIN.fullmatch(model) and len(model) <= _LONGEST and not _OTHERS.fullmatch(model) and model not in _TAKEN:
        return model
    start = re.sub("[^a-z0-9]+", "-", model.lower()).strip("-").lstrip("0123456789-")[: _LONGEST - _HASH - 1].strip("-")
    return f"{start or 'model'}-{_digest(model)[:_HASH]}"


def server(model: str, version: str) -> str:
    """Return the name of a version's servers."""
    return f"{label(model)}-v{version}"


def volume(model: str, version: str) -> str:
    """Return the name of a version's volume."""
    return f"model-{label(model)}-v{version}"


def delivery(model: str, version: str) -> str:
    """Return the name of a version's delivery."""
    return f"deliver-{label(model)}-v{version}"


def state(model: str) -> str:
    """Return the name of the ConfigMap with what the reconciler remembers of a model, also of one it refuses."""
    return f"{label(model)}-rollout-{_digest(model)[_HASH : 2 * _HASH]}"


def wanted(model: str) -> str:
    """Return the name of the ConfigMap by which the command line asks to serve a model."""
    return f"{label(model)}-wanted"


def hold(model: str) -> str:
    """Return the name of the ConfigMap by which the command line takes a version back."""
    return f"{label(model)}-hold"


def labels(model: str, version: str | None = None, part: str | None = None) -> dict[str, str]:
    """Return the labels of an object of a model, of one version and part if given."""
    return {
        **MANAGED_BY,
        MODEL: label(model),
        **({VERSION: version} if version else {}),
        **({contracts.SERVING_PART_LABEL: part} if part else {}),
    }


def _digest(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()

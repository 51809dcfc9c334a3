"""What a delivery leaves in its folder: the model's files and the version's evidence, which are checked offline.

`model` is the MLflow model directory. `evidence/version.json` is the version as the registry had it: its name, its
number, its run, and the tags with the signed manifest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aegis import evidence, files
from aegis.errors import NotVerifiedError
from aegis.evidence import Signed, Version
from aegis.keys import PublicKey
from aegis.strict import parse_json
from workloads.signing import inputs

MODEL: Final = "model"
EVIDENCE: Final = "evidence"
VERSION_FILE: Final = "version.json"

# In bytes: more than any manifest's tags.
_LARGEST: Final = 32 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredVersion:
    """A version as `version.json` claims it."""

    name: str
    version: str
    run_id: str | None
    tags: dict[str, str]


def evidence_file(registered: Version) -> bytes:
    """Return the content of `version.json` for a version of the registry."""
    tags = {name: value for name, value in sorted(registered.tags.items()) if name.startswith(evidence.MANIFEST)}
    fields = {"name": registered.name, "version": str(registered.version), "run_id": registered.run_id, "tags": tags}
    return json.dumps(fields, indent=2).encode() + b"\n"


def read(model: Path) -> DeliveredVersion:
    """Return the version whose files are claimed to be in the folder `model`.

    Raises:
        NotVerifiedError: There is no evidence beside it, or it can't be read.
    """
    path = model.absolute().parent / EVIDENCE / VERSION_FILE
    try:
        fields = parse_json(inputs.read_regular(path, _LARGEST), str(path))
    except FileNotFoundError as error:
        raise NotVerifiedError(f"{path} is missing: the delivery isn't complete") from error
    except OSError as error:
        raise NotVerifiedError(inputs.problem(path, error)) from error
    match fields:
        case {"name": str(name), "version": str(version), "run_id": str() | None as run_id, "tags": dict(tags)} if (
            _texts(tags)
        ):
            return DeliveredVersion(name=name, version=version, run_id=run_id, tags=tags)
    raise NotVerifiedError(f"{path} is not the evidence of a version")


def check(model: Path, trusted: Sequence[PublicKey]) -> Signed:
    """Check that a trusted key signed the evidence beside the folder `model`, and that its files are the signed ones.

    Raises:
        NotVerifiedError: They aren't, one is missing or was added, one isn't a regular file, or one can't be read.
    """
    signed = evidence.check(read(model), trusted)
    if model.is_symlink() or not model.is_dir():
        raise NotVerifiedError(f"{model} is not a folder")
    try:
        files.check_folder(signed.manifest, model)
    except OSError as error:
        raise NotVerifiedError(f"{error.filename or model} cannot be read: {error.strerror}") from error
    return signed


def _texts(tags: Mapping[Any, object]) -> bool:
    return all(isinstance(value, str) for value in tags.values())

"""What a stack file may leave to the machine that runs Pulumi: where the cluster and the images are.

The stack file always wins. An EKS cluster is reached by what AWS says of it and never by a kubeconfig that happens to
be in the environment, unless the AWS API is an emulated one, whose clusters are nowhere else.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contracts


class ImagesFileError(Exception):
    """The file of image references that the environment names can't be read."""


def fill_in(given: dict[str, Any], environment: Mapping[str, str], *, preview: bool) -> dict[str, Any]:
    """Return the settings `given`, with what they leave open and `environment` knows.

    A preview of any stack may be sent to an emulated AWS; an update only where the stack file says so, so that no
    variable left over in a shell can redirect it.

    Raises:
        ImagesFileError: Names the file.
    """
    # The schema's default, {}, means that the stack file leaves the section out.
    optional = ("environment", "aws", "localhost")
    written = {key: value for key, value in given.items() if value != {} or key not in optional}
    filled = _images(_cluster(_aws(written, environment, preview=preview), environment), environment)
    if _emulated(filled):
        return _section(filled, "database", {"authorities": environment.get(contracts.DATABASE_AUTHORITIES_ENV)})
    return filled


def _aws(given: dict[str, Any], environment: Mapping[str, str], *, preview: bool) -> dict[str, Any]:
    section = given.get("aws")
    if not isinstance(section, dict) or not (preview or section.get("emulated") is True):
        return given
    return _section(given, "aws", {"endpoint": environment.get(contracts.AWS_ENDPOINT_ENV)})


def _cluster(given: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    named_by_aws = isinstance(given.get("cluster"), dict) and "eksName" in given["cluster"]
    if named_by_aws and not _emulated(given):
        return given
    context = environment.get(contracts.CONTEXT_ENV)
    # Who names a context has chosen a cluster; without one, the usual file could hold anybody's.
    usual = str(Path.home() / ".kube" / "config") if context else None
    ambient = {
        "kubeconfig": environment.get("KUBECONFIG") or usual,
        "context": context,
        "storageClass": environment.get(contracts.STORAGE_CLASS_ENV) if context else None,
    }
    return _section(given, "cluster", ambient)


def _images(given: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    if given.get("images"):
        return given
    rest = {key: value for key, value in given.items() if key != "images"}
    images_file = environment.get(contracts.IMAGES_FILE_ENV)
    return rest | {"images": _read_images(Path(images_file))} if images_file else rest


def _read_images(path: Path) -> Any:  # noqa: ANN401 - checked with the rest
    try:
        given = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        message = f"{contracts.IMAGES_FILE_ENV} is {path}, which is not a readable JSON file: {error}"
        raise ImagesFileError(message) from None
    # The embedded platform has images of its own beside the stack's.
    return {name: given[name] for name in contracts.IMAGES if name in given} if isinstance(given, dict) else given


def _emulated(given: Mapping[str, Any]) -> bool:
    section = given.get("aws")
    return isinstance(section, dict) and bool(section.get("endpoint"))


def _section(given: dict[str, Any], name: str, ambient: Mapping[str, str | None]) -> dict[str, Any]:
    section = given.get(name, {})
    if not isinstance(section, dict):
        return given
    return given | {name: {key: value for key, value in ambient.items() if value} | section}

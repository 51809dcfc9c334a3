"""Settings that a stack file may leave to environment variables: the cluster, the images and the emulated AWS API.

The stack file always wins. An EKS cluster is reached by its name in AWS, never by a kubeconfig that happens to be set,
unless the AWS API is emulated, and its EKS clusters stand for the one of the kubeconfig.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contracts


class ImagesFileError(Exception):
    """The file of image references that AEGIS_IMAGES names can't be read."""


def fill_in(settings: dict[str, Any], variables: Mapping[str, str], *, preview: bool) -> dict[str, Any]:
    """Return the unchecked `settings` of a stack file, completed from the environment `variables`.

    A preview of any stack may use an emulated AWS API. An update uses one only if the stack file says so, so that a
    variable left over in a shell can't redirect it.

    Raises:
        ImagesFileError: Names the file.
    """
    # `{}`, the default in Pulumi.yaml, means that the stack file leaves the section out.
    optional = ("environment", "aws", "localhost")
    written = {key: value for key, value in settings.items() if value != {} or key not in optional}
    filled = _images(_cluster(_aws(written, variables, preview=preview), variables), variables)
    if _emulated(filled):
        return _section(filled, "database", {"authorities": variables.get(contracts.DATABASE_AUTHORITIES_ENV)})
    return filled


def _aws(settings: dict[str, Any], variables: Mapping[str, str], *, preview: bool) -> dict[str, Any]:
    section = settings.get("aws")
    if not isinstance(section, dict) or not (preview or section.get("emulated") is True):
        return settings
    return _section(settings, "aws", {"endpoint": variables.get(contracts.AWS_ENDPOINT_ENV)})


def _cluster(settings: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    named_by_aws = isinstance(settings.get("cluster"), dict) and "eksName" in settings["cluster"]
    if named_by_aws and not _emulated(settings):
        return settings
    context = variables.get(contracts.CONTEXT_ENV)
    # Naming a context chooses a cluster. Without one, the default kubeconfig could point to any cluster.
    default = str(Path.home() / ".kube" / "config") if context else None
    ambient = {
        "kubeconfig": variables.get("KUBECONFIG") or default,
        "context": context,
        "storageClass": variables.get(contracts.STORAGE_CLASS_ENV) if context else None,
    }
    return _section(settings, "cluster", ambient)


def _images(settings: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    if settings.get("images"):
        return settings
    rest = {key: value for key, value in settings.items() if key != "images"}
    images_file = variables.get(contracts.IMAGES_FILE_ENV)
    return rest | {"images": _read_images(Path(images_file))} if images_file else rest


def _read_images(path: Path) -> Any:  # noqa: ANN401 - checked with the rest
    try:
        images = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        message = f"{contracts.IMAGES_FILE_ENV} must be the path of a readable JSON file, got {path}: {error}"
        raise ImagesFileError(message) from None
    # The file also lists the embedded platform's own images.
    return {name: images[name] for name in contracts.IMAGES if name in images} if isinstance(images, dict) else images


def _emulated(settings: Mapping[str, Any]) -> bool:
    section = settings.get("aws")
    return isinstance(section, dict) and bool(section.get("endpoint"))


def _section(settings: dict[str, Any], name: str, ambient: Mapping[str, str | None]) -> dict[str, Any]:
    section = settings.get(name, {})
    if not isinstance(section, dict):
        return settings
    return settings | {name: {key: value for key, value in ambient.items() if value} | section}

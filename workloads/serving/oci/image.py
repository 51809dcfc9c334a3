"""Images as JSON: choose an image from an index, read its manifest and config, and add a layer to both.

Two families of media types exist for the same format, OCI's and Docker's (version 2, schema 2). An image stays in its
base's family. https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
https://distribution.github.io/distribution/spec/manifest-v2-2/
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from aegis.strict import load_json
from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.oci.blob import Blob
from workloads.serving.oci.labels import BASE
from workloads.serving.oci.layer import Layer
from workloads.serving.oci.reference import is_digest

_OCI: Final = "application/vnd.oci.image.manifest.v1+json"
_DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (_OCI, _DOCKER)
# The type of a layer that gzip compresses, by the type of its manifest.
_LAYER_TYPES: Final = {
    _OCI: "application/vnd.oci.image.layer.v1.tar+gzip",
    _DOCKER: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_CONFIG_TYPES: Final = {
    _OCI: "application/vnd.oci.image.config.v1+json",
    _DOCKER: "application/vnd.docker.container.image.v1+json",
}
# In bytes. Registries store a manifest of 4 MiB, and may refuse larger ones; a config lists about the same.
LARGEST_JSON: Final = 4 << 20
_MADE_BY: Final = "aegis: the files of a model version"


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """An operating system and a CPU architecture, such as linux/amd64 or linux/arm/v7."""

    os: str
    architecture: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `OS/ARCHITECTURE[/VARIANT]`.

        Raises:
            WorkloadError: `text` is something else.
        """
        match text.split("/"):
            case [str(system), str(architecture)] if system and architecture:
                return cls(os=system, architecture=architecture)
            case [str(system), str(architecture), str(variant)] if system and architecture and variant:
                return cls(os=system, architecture=architecture, variant=variant)
            case _:
                raise WorkloadError(
                    f"A platform must be OS/ARCHITECTURE[/VARIANT], such as linux/amd64, got {text!r}.", Exit.USAGE
                )

    def includes(self, fields: Mapping[str, Any]) -> bool:
        """Return whether a platform as indexes and configs write it is this one; without a variant, any fits."""
        same = (fields.get("os"), fields.get("architecture")) == (self.os, self.architecture)
        return same and self.variant in (None, fields.get("variant"))

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What a manifest says about a blob or another manifest; `fields` are its JSON."""

    digest: str
    size: int
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, fields: Any, name: str) -> Self:  # noqa: ANN401 - any JSON value
        """Read a descriptor; `name` says in messages which image it belongs to."""
        match fields:
            case {"digest": digest, "size": int(size), "mediaType": str()} if is_digest(digest) and size >= 0:
                return cls(digest=digest, size=size, fields=fields)
            case _:
                raise _not_an_image(name, "a descriptor must have a media type, a sha256 digest and a size")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The manifest of one image."""

    name: str
    digest: str
    media_type: str
    config: Descriptor
    layers: Sequence[Descriptor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that is ready to be pushed."""

    config: Blob
    manifest: Blob
    media_type: str


def media_type_of(content: bytes, declared: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the media type and the JSON of a manifest or index; `declared` is the type of the registry's answer.

    Raises:
        WorkloadError: It isn't JSON, or it could be read as a manifest and as an index (CVE-2021-41190).
    """
    value = _object(content, name)
    media_type = value.get("mediaType", declared)
    if media_type != declared:
        raise _not_an_image(name, f"its media type is {media_type!r}, and the registry says {declared!r}")
    if media_type not in INDEXES + MANIFESTS:
        raise _not_an_image(name, f"its media type is {media_type!r}")
    if ("manifests" in value) == ("layers" in value):
        raise _not_an_image(name, "it must have either layers or manifests")
    return media_type, value


def chosen(index: Mapping[str, Any], platform: Platform, name: str) -> Descriptor:
    """Return the image of `platform` in an index.

    Raises:
        WorkloadError: There is none; the message lists what there is.
    """
    entries = [
        entry
        for entry in _list(index, "manifests", name)
        if isinstance(entry, dict) and isinstance(entry.get("platform"), dict)
    ]
    for entry in entries:
        if entry.get("mediaType") in MANIFESTS and platform.includes(entry["platform"]):
            return Descriptor.of(entry, name)
    platforms = [(entry["platform"].get("os"), entry["platform"].get("architecture")) for entry in entries]
    found = ", ".join(sorted({f"{system}/{architecture}" for system, architecture in platforms})) or "no platform"
    raise WorkloadError(f"{name} has no image for {platform}; it has {found}.", Exit.USAGE)


def manifest(value: Mapping[str, Any], media_type: str, digest: str, name: str) -> Manifest:
    """Read the manifest of one image.

    Raises:
        WorkloadError: It isn't the manifest of an image that can be run.
    """
    config = Descriptor.of(value.get("config"), name)
    if media_type not in MANIFESTS or config.fields["mediaType"] != _CONFIG_TYPES[media_type]:
        raise _not_an_image(name, f"its config has the media type {config.fields['mediaType']!r}")
    layers = [Descriptor.of(fields, name) for fields in _list(value, "layers", name)]
    return Manifest(name=name, digest=digest, media_type=media_type, config=config, layers=layers)


def extended(
    base: Manifest, config: bytes, layer: Layer, annotations: Mapping[str, str], platform: Platform | None = None
) -> Image:
    """Return the image of `base`, whose config is `config`, with one more layer and `annotations`.

    Nothing in it depends on the time or the machine: equal input gives equal digests.

    Raises:
        WorkloadError: The config isn't that of an image with these layers, or not that of `platform`.
    """
    labels = {**annotations, BASE: base.digest}
    fields_of_base = _object(config, base.name)
    if platform and not platform.includes(fields_of_base):
        raise _not_an_image(base.name, f"its platform is not {platform}")
    new_config = Blob.of(_json(_extended_config(fields_of_base, base, layer, labels)))
    fields: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": base.media_type,
        "config": _descriptor(new_config, _CONFIG_TYPES[base.media_type]),
        "layers": [*(each.fields for each in base.layers), _descriptor(layer.blob, _LAYER_TYPES[base.media_type])],
    }
    if base.media_type == _OCI:
        # Docker's manifests have no annotations; the labels say the same.
        fields["annotations"] = labels
    return Image(config=new_config, manifest=Blob.of(_json(fields)), media_type=base.media_type)


def _extended_config(config: dict[str, Any], base: Manifest, layer: Layer, labels: Mapping[str, str]) -> dict[str, Any]:
    match config:
        case {"rootfs": {"diff_ids": [*diff_ids]}} if len(diff_ids) == len(base.layers):
            rootfs = {"type": "layers", "diff_ids": [*diff_ids, layer.diff_id]}
        case _:
            raise _not_an_image(base.name, "its config must list one diff id for each layer")
    container, history = config.get("config") or {}, config.get("history")
    earlier = container.get("Labels") or {} if isinstance(container, dict) else None
    if not isinstance(container, dict) or not isinstance(earlier, dict) or not isinstance(history, list | None):
        raise _not_an_image(base.name, "its config has a wrong type where an object or a list belongs")
    container = {**container, "Labels": {**earlier, **labels}}
    extended = {**config, "rootfs": rootfs, "config": container}
    if history is not None:
        extended["history"] = [*history, {"created_by": _MADE_BY}]
    return extended


def _descriptor(blob: Blob, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        value = load_json(content)
    except ValueError as error:
        raise _not_an_image(name, f"its JSON can't be read: {error}") from error
    if not isinstance(value, dict):
        raise _not_an_image(name, "its JSON is not an object")
    return value


def _list(value: Mapping[str, Any], key: str, name: str) -> list[Any]:
    found = value.get(key)
    if not isinstance(found, list):
        raise _not_an_image(name, f"its {key} must be a list")
    return found


def _not_an_image(name: str, reason: str) -> WorkloadError:
    return WorkloadError(f"{name} is not an image that a layer can be added to: {reason}.", Exit.USAGE)

"""Add a layer to an image in a registry, and push the result."""

import functools
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import httpx

from workloads.serving.oci import image as images
from workloads.serving.oci import labels
from workloads.serving.oci.blob import Blob
from workloads.serving.oci.connection import TIMEOUT, Connection
from workloads.serving.oci.image import Manifest, Platform
from workloads.serving.oci.layer import Layer
from workloads.serving.oci.reference import Reference, Repository
from workloads.serving.oci.remote import Remote

_DEFAULT_PLATFORM = Platform(os="linux", architecture="amd64")


def append(
    base: Reference,
    layer: Layer,
    repository: Repository,
    annotations: Mapping[str, str],
    *,
    platform: Platform | None = None,
    plain_http: Collection[str] = (),
    client: httpx.Client | None = None,
) -> Reference:
    """Push the image `base` with `layer` on top to `repository`, and return its reference by digest.

    The image is a function of the base, the layer and the annotations (see `labels`): a second call finds it in the
    registry and sends nothing. The manifest is pushed last, so a killed call leaves no incomplete image.

    Args:
        base: The image to add to. Of an index, the image of `platform` is taken.
        layer: What to add.
        repository: Where the result goes; in the same registry, the base's layers are mounted and not copied.
        annotations: Labels of the config, and annotations of an OCI manifest.
        platform: The platform of the image; by default linux/amd64 of an index, and any of a single image.
        plain_http: Hosts of registries to reach without TLS. A loopback address always is.
        client: The HTTP client to use, without credentials of its own.

    Raises:
        WorkloadError: The base can't be extended (`Exit.USAGE`), a registry answers with something else than its digest
            says (`Exit.NOT_VERIFIED`), or refuses or doesn't answer (`Exit.OBJECT_STORE`).
    """
    with _client(client) as http:
        source, target = _remotes(base.repository, repository, http, plain_http)
        manifest = _base_manifest(source, base, platform)
        config = source.small_blob(manifest.config)
        image = images.extended(manifest, config, layer, annotations, platform)
        result = Reference(repository=repository, digest=image.manifest.digest)
        if not target.has_manifest(result.digest):
            _copy_layers(manifest, source, target)
            target.push_blob(layer.blob)
            target.push_blob(image.config)
            target.push_manifest(image, labels.tag(annotations, result.digest))
    return result


def _base_manifest(source: Remote, base: Reference, platform: Platform | None) -> Manifest:
    name, digest = str(base), base.digest
    media_type, value = images.media_type_of(*source.manifest(digest), name)
    if media_type in images.INDEXES:
        digest = images.chosen(value, platform or _DEFAULT_PLATFORM, name).digest
        media_type, value = images.media_type_of(*source.manifest(digest), name)
    return images.manifest(value, media_type, digest, name)


def _copy_layers(manifest: Manifest, source: Remote, target: Remote) -> None:
    mounted_from = source.path if source.connection is target.connection else None
    for layer in manifest.layers:
        read = functools.partial(source.blocks, layer)
        target.push_blob(Blob(digest=layer.digest, size=layer.size, read=read), mounted_from)


def _remotes(
    base: Repository, repository: Repository, client: httpx.Client, plain_http: Collection[str]
) -> tuple[Remote, Remote]:
    """Return both repositories; of the same registry, they share one login with the rights to both."""
    pull, push = f"repository:{base.path}:pull", f"repository:{repository.path}:pull,push"

    def connect(place: Repository, *scopes: str) -> Connection:
        plain = place.is_on_this_machine or place.host in plain_http
        return Connection(place.host, scopes, client, plain_http=plain)

    is_same = base.host == repository.host
    target = connect(repository, push, *([pull] if is_same else []))
    source = target if is_same else connect(base, pull)
    return Remote(connection=source, path=base.path), Remote(connection=target, path=repository.path)


@contextmanager
def _client(given: httpx.Client | None) -> Iterator[httpx.Client]:
    if given:
        yield given
    else:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as own:
            yield own

"""Conversion of an image stream from buildah into one that containerd can import without the layers it has.

The source has the format of `docker save`. The result is an OCI layout
(https://github.com/opencontainers/image-spec/blob/main/image-layout.md) that lacks the layers that are already present.
"""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Collection
from typing import IO, Any

CHUNK = 1 << 20
_OCI = "application/vnd.oci.image"
# The annotation for the image's name on import, from containerd's images/annotations.go.
_NAME = "io.containerd.image.name"


def translate(source: IO[bytes], sink: IO[bytes], reference: str, present: Collection[str]) -> None:
    """Copy one image from `source` to `sink` as `reference`, without the layers in `present` (`sha256:...`).

    Raises:
        tarfile.TarError: `source` isn't a complete tar stream.
        KeyError: The tar stream isn't an image.
    """
    layers: dict[str, dict[str, Any]] = {}
    documents: dict[str, bytes] = {}
    with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            if member.name.endswith(".json"):
                documents[member.name] = content.read()
            elif member.name.endswith(".tar"):
                # buildah names a layer by the digest of its tar.
                digest = f"sha256:{member.name.removesuffix('.tar')}"
                layers[member.name] = _descriptor("layer.v1.tar", digest, member.size)
                if digest not in present:
                    _add(sink, _path(digest), content, member.size)
        _finish(sink, documents, layers, reference)
    sink.write(bytes(2 * tarfile.BLOCKSIZE))
    # Read the padding at the end, too: the writer would fail if the reader closed early.
    while source.read(CHUNK):
        pass


def _finish(sink: IO[bytes], documents: dict[str, bytes], layers: dict[str, dict[str, Any]], reference: str) -> None:
    """Write the JSON files of the layout: the image's configuration, its manifest, and the index with its name."""
    (image,) = json.loads(documents["manifest.json"])
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _add_blob(sink, "config.v1+json", documents[image["Config"]]),
        "layers": [layers[name] for name in image["Layers"]],
    }
    descriptor = _add_blob(sink, "manifest.v1+json", json.dumps(manifest).encode())
    index = {"schemaVersion": 2, "manifests": [{**descriptor, "annotations": {_NAME: reference}}]}
    _add_bytes(sink, "index.json", json.dumps(index).encode())
    _add_bytes(sink, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": size}


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add_blob(sink: IO[bytes], kind: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _add_bytes(sink, _path(digest), content)
    return _descriptor(kind, digest, len(content))


def _add_bytes(sink: IO[bytes], name: str, content: bytes) -> None:
    _add(sink, name, io.BytesIO(content), len(content))


def _add(sink: IO[bytes], name: str, content: IO[bytes], size: int) -> None:
    """Write one member of a tar in large chunks. `TarFile.addfile` uses small ones and takes ten times as long."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    sink.write(entry.tobuf())
    shutil.copyfileobj(content, sink, CHUNK)
    sink.write(bytes(-size % tarfile.BLOCKSIZE))

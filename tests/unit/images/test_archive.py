"""An image on its way into containerd: a valid OCI layout, without what containerd has."""

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from local.images.archive import translate

REFERENCE = "localhost/aegis/demo:1"
CONFIG = b'{"os": "linux"}'


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def saved(*layers: bytes) -> bytes:
    """Return the archive that buildah writes of an image with these layers."""
    names = [f"{digest(layer).removeprefix('sha256:')}.tar" for layer in layers]
    config = f"{digest(CONFIG).removeprefix('sha256:')}.json"
    manifest = json.dumps([{"Config": config, "RepoTags": [REFERENCE], "Layers": names}]).encode()
    files = dict(zip(names, layers, strict=True))
    return tar({**files, config: CONFIG, "deadbeef/VERSION": b"1.0", "manifest.json": manifest, "repositories": b"{}"})


def translated(source: bytes, present: set[str]) -> dict[str, bytes]:
    sink = io.BytesIO()
    translate(io.BytesIO(source), sink, REFERENCE, present)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as layout:
        return {member.name: layout.extractfile(member).read() for member in layout}  # pyright: ignore[reportOptionalMemberAccess]


def blob(layout: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = layout["blobs/" + descriptor["digest"].replace(":", "/")]
    assert digest(content) == descriptor["digest"]
    assert len(content) == descriptor["size"]
    return content


def test_every_blob_of_the_layout_is_found_by_its_digest_from_the_named_manifest() -> None:
    layers = (b"first layer" * 100_000, b"second layer")
    layout = translated(saved(*layers), set())
    (entry,) = json.loads(layout["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == REFERENCE
    manifest = json.loads(blob(layout, entry))
    assert blob(layout, manifest["config"]) == CONFIG
    assert tuple(blob(layout, layer) for layer in manifest["layers"]) == layers


def test_a_layer_that_is_there_is_named_and_left_out() -> None:
    known, new = b"base" * 1000, b"code"
    layout = translated(saved(known, new), {digest(known)})
    (entry,) = json.loads(layout["index.json"])["manifests"]
    manifest = json.loads(blob(layout, entry))
    assert [layer["digest"] for layer in manifest["layers"]] == [digest(known), digest(new)]
    assert "blobs/" + digest(known).replace(":", "/") not in layout
    assert blob(layout, manifest["layers"][1]) == new


def test_a_stream_that_breaks_off_is_an_error() -> None:
    with pytest.raises(tarfile.TarError):
        translated(saved(b"layer" * 10_000)[:20_000], set())


def test_a_tar_of_something_else_is_an_error() -> None:
    with pytest.raises(KeyError):
        translated(tar({"notes.txt": b"no image"}), set())

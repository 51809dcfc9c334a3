"""Loading of an image into containerd as a valid OCI layout without the layers that containerd has."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local.cluster import node
from local.errors import LocalError
from local.images import buildah, containerd
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
    """Return the archive that buildah writes for an image with these layers."""
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


def test_the_manifest_leads_to_every_blob_by_its_digest() -> None:
    layers = (b"first layer" * 100_000, b"second layer")
    layout = translated(saved(*layers), set())
    (entry,) = json.loads(layout["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == REFERENCE
    manifest = json.loads(blob(layout, entry))
    assert blob(layout, manifest["config"]) == CONFIG
    assert tuple(blob(layout, layer) for layer in manifest["layers"]) == layers


def test_a_present_layer_is_listed_but_not_sent() -> None:
    known, new = b"base" * 1000, b"code"
    layout = translated(saved(known, new), {digest(known)})
    (entry,) = json.loads(layout["index.json"])["manifests"]
    manifest = json.loads(blob(layout, entry))
    assert [layer["digest"] for layer in manifest["layers"]] == [digest(known), digest(new)]
    assert "blobs/" + digest(known).replace(":", "/") not in layout
    assert blob(layout, manifest["layers"][1]) == new


def test_a_truncated_stream_is_an_error() -> None:
    with pytest.raises(tarfile.TarError):
        translated(saved(b"layer" * 10_000)[:20_000], set())


def test_a_tar_that_isnt_an_image_is_an_error() -> None:
    with pytest.raises(KeyError):
        translated(tar({"notes.txt": b"no image"}), set())


class Programs:
    """Stand-ins: buildah runs the script `saving`, and ctr runs `importing` on its input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = folder / "log"
        self.image = folder / "image.tar"
        self.imported = folder / "imported.tar"
        self.saving = f"cat {self.image}"
        self.importing = f"cat > {self.imported}"
        self.present: list[str] = []
        monkeypatch.setattr(buildah, "command", lambda *arguments: ["sh", "-c", self.saving])
        monkeypatch.setattr(node, "ctr", lambda: ("sh", "-c", self._ctr()))

    def _ctr(self) -> str:
        listing = "".join(f"echo {layer};" for layer in self.present)
        return f'if [ "$0" = content ]; then {listing} exit 0; fi; {self.importing}'

    def imported_members(self) -> set[str]:
        with tarfile.open(self.imported) as layout:
            return set(layout.getnames())


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


def member(layer: bytes) -> str:
    return "blobs/" + digest(layer).replace(":", "/")


def test_an_image_is_loaded_without_the_layers_that_containerd_has(programs: Programs) -> None:
    known, new = b"base", b"code"
    programs.image.write_bytes(saved(known, new))
    programs.present = [digest(known)]
    containerd.load(REFERENCE, programs.log)
    assert member(new) in programs.imported_members()
    assert member(known) not in programs.imported_members()


def test_a_layer_that_containerd_lost_in_the_meantime_is_sent(programs: Programs) -> None:
    known, new = b"base", b"code"
    programs.image.write_bytes(saved(known, new))
    programs.present = [digest(known)]
    programs.importing = f"cat > {programs.imported}; tar -tf {programs.imported} | grep -q {member(known)}"
    containerd.load(REFERENCE, programs.log)
    assert {member(known), member(new)} <= programs.imported_members()


def test_a_refusal_of_containerd_is_an_error_that_names_the_log(programs: Programs) -> None:
    programs.image.write_bytes(saved(b"layer" * 1_000_000))
    programs.importing = "echo no space left >&2; exit 1"
    with pytest.raises(LocalError) as failure:
        containerd.load(REFERENCE, programs.log)
    assert failure.value.log == programs.log
    assert "no space left" in programs.log.read_text()


def test_a_builder_that_fails_midway_is_an_error(programs: Programs) -> None:
    programs.image.write_bytes(saved(b"layer" * 1_000_000))
    programs.saving = f"head -c 1000000 {programs.image}"
    with pytest.raises(LocalError, match="couldn't be loaded"):
        containerd.load(REFERENCE, programs.log)

"""What is sent to a registry, and what happens when it breaks off."""

import tracemalloc
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.fake_registry import HOST
from tests.unit.serving.oci.world import BASE, MODELS, World
from workloads.cli import WorkloadError

ELSEWHERE = "elsewhere.test"


def test_layers_of_the_base_are_mounted_within_a_registry(world: World) -> None:
    image = world.append(world.add_base())
    sent = {request.url.params["digest"] for request in world.registry.calls("PUT", "/blobs/uploads/")}
    base_layer, own = (layer["digest"] for layer in world.manifest(image)["layers"])
    assert base_layer in world.registry.blobs[MODELS]
    assert sent == {own, world.manifest(image)["config"]["digest"]}


def test_a_registry_that_doesn_t_mount_gets_a_copy(world: World) -> None:
    world.registry.mounts = False
    image = world.append(world.add_base())
    assert {layer["digest"] for layer in world.manifest(image)["layers"]} <= world.registry.blobs[MODELS].keys()


def test_an_image_that_is_there_is_not_sent_again(world: World) -> None:
    base = world.add_base()
    first = world.append(base)
    world.registry.requests.clear()
    assert world.append(base) == first
    assert {request.method for request in world.registry.requests} == {"GET", "HEAD"}


def test_a_blob_that_is_there_is_not_sent_again(world: World) -> None:
    world.append(world.add_base())
    received = world.registry.received
    world.append(world.add_base(author="somebody"))
    assert world.registry.received - received < 2000


def test_an_interrupted_upload_goes_on_where_it_broke_off(world: World) -> None:
    base = world.add_base()
    world.registry.breaks = [1_500_000, 700_000]
    image = world.append(base)
    layer = world.layer(image)
    ranges = [request.headers.get("content-range") for request in world.registry.calls("PATCH")]
    assert ranges[:3] == [None, f"1500000-{len(layer) - 1}", f"2200000-{len(layer) - 1}"]


def test_an_upload_whose_session_is_lost_starts_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    base = world.add_base()
    world.registry.breaks = [1_500_000]
    monkeypatch.setattr(world.registry, "forgets_broken", True)
    image = world.append(base)
    assert len(world.layer(image)) == world.manifest(image)["layers"][-1]["size"]


def test_a_push_that_ends_early_leaves_no_image_and_the_next_one_completes_it(world: World) -> None:
    base = world.add_base()
    world.registry.breaks = [1000] * 5
    with pytest.raises(WorkloadError, match="does not answer after 5 attempts: the connection is broken") as failed:
        world.append(base)
    assert failed.value.code == Exit.OBJECT_STORE
    assert MODELS not in world.registry.manifests
    image = world.append(base)
    assert world.registry.manifests[MODELS].keys() == {image}


def test_the_manifest_is_the_last_thing_that_is_sent(world: World) -> None:
    world.append(world.add_base())
    writes = [request for request in world.registry.requests if request.method in ("POST", "PATCH", "PUT")]
    assert "/manifests/churn-v3-" in writes[-1].url.path


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_may_pass_is_retried(world: World, status: int) -> None:
    base = world.add_base()
    world.registry.failures = [status, status]
    assert world.append(base) in world.registry.manifests[MODELS]


def test_a_refusal_is_one_line_with_the_registry_s_message(world: World) -> None:
    with pytest.raises(WorkloadError) as refused:
        world.append(f"sha256:{'0' * 64}")
    assert str(refused.value) == (
        f"The registry at https://{HOST}/v2/{BASE}/manifests/sha256:{'0' * 64} refuses GET: "
        "404 Not Found, MANIFEST_UNKNOWN: manifest unknown"
    )
    assert refused.value.code == Exit.OBJECT_STORE


def test_a_registry_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(WorkloadError, match=r"The registry elsewhere\.test does not answer after 5 attempts") as failed:
        world.append(f"sha256:{'0' * 64}", of=f"{ELSEWHERE}/{BASE}")
    assert failed.value.code == Exit.OBJECT_STORE


@pytest.mark.parametrize("content", ["text", "weights"])
def test_a_large_layer_takes_constant_memory(world: World, content: str) -> None:
    base = world.add_base()
    world.registry.keeps_layers = False
    large = world.folder / "model" / "large.bin"
    write_large(large, (world.folder / "model/data/weights.bin").read_bytes() if content == "weights" else b"")
    tracemalloc.start()
    try:
        world.append(base)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_file_that_changes_after_it_was_read_is_not_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    base = world.add_base()
    file = world.folder / "model" / "MLmodel"
    monkeypatch.setattr(world.registry, "on_upload", lambda: file.write_text("other"))
    with pytest.raises(WorkloadError, match="MLmodel changed while it was packaged"):
        world.append(base)
    assert MODELS not in world.registry.manifests


def write_large(path: Path, content: bytes) -> None:
    """Write 64 MiB of `content` again and again, or a file of zeros without blocks."""
    size = 64 << 20
    with path.open("wb") as stream:
        while content and stream.tell() < size:
            stream.write(content)
        stream.truncate(size)

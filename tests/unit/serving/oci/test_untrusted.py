"""A registry isn't trusted: what it answers is checked, bounded, and never gets credentials that aren't for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts import Exit
from tests.support.fake_registry import STORAGE
from tests.unit.serving.oci.world import BASE, MODELS, OCI, TYPES, World
from workloads.cli import WorkloadError


@pytest.mark.parametrize(
    "tampered",
    [lambda content: content + b" ", lambda content: content[:-1], lambda content: b"{}" + content[2:]],
    ids=["longer", "shorter", "other"],
)
def test_content_that_isn_t_that_of_its_digest_is_refused(world: World, tampered: Callable[[bytes], bytes]) -> None:
    base = world.add_base()
    world.registry.tampered = tampered
    with pytest.raises(WorkloadError, match=f"{base} is not that content: refused") as refused:
        world.append(base)
    assert refused.value.code == Exit.NOT_VERIFIED
    assert MODELS not in world.registry.manifests


@pytest.mark.parametrize(
    "spoil", [lambda content: content + b" ", lambda content: content[:-1], lambda content: b"x" * len(content)]
)
def test_a_layer_or_config_of_other_content_is_refused(world: World, spoil: Callable[[bytes], bytes]) -> None:
    world.registry.mounts = False
    base = world.add_base()
    is_gzip = b"\x1f\x8b"
    world.registry.tampered = lambda content: spoil(content) if content.startswith(is_gzip) else content
    with pytest.raises(WorkloadError, match="is not that content: refused") as refused:
        world.append(base)
    assert refused.value.code == Exit.NOT_VERIFIED
    assert not any(blob.startswith(b"x") for blob in world.registry.blobs.get(MODELS, {}).values())


def test_a_layer_of_another_size_than_its_manifest_says_is_refused(world: World) -> None:
    world.registry.mounts = False
    original = world.add_base()
    base = json.loads(world.registry.manifests[BASE][original][1])
    base["layers"][0]["size"] += 1
    with pytest.raises(WorkloadError, match="is not that content: refused") as refused:
        world.append(world.registry.put(BASE, TYPES["oci"][0], base))
    assert refused.value.code == Exit.NOT_VERIFIED


def test_a_registry_that_says_that_it_stored_another_manifest_is_not_believed(world: World) -> None:
    other = f"sha256:{'0' * 64}"
    world.registry.misreports = other
    with pytest.raises(WorkloadError, match=f"stored {other} in place of sha256:") as refused:
        world.append(world.add_base())
    assert refused.value.code == Exit.NOT_VERIFIED


def test_an_answer_without_an_end_is_not_read_to_its_end(world: World) -> None:
    base = world.add_base()
    world.registry.tampered = lambda content: content + bytes(5 << 20)
    with pytest.raises(WorkloadError, match="answers with more than 4194304 bytes") as refused:
        world.append(base)
    assert refused.value.code == Exit.NOT_VERIFIED


def test_a_redirect_to_another_host_gets_no_credentials(world: World, log_in: None) -> None:
    world.registry.auth, world.registry.redirects, world.registry.mounts = "basic", True, False
    image = world.append(world.add_base())
    redirected = [request for request in world.registry.requests if request.url.host == STORAGE]
    assert redirected
    assert not any("authorization" in request.headers for request in redirected)
    assert image in world.registry.manifests[MODELS]


def test_a_redirect_to_plain_http_is_refused(world: World) -> None:
    base = world.add_base()
    world.registry.redirects = True
    world.registry.storage = f"http://{STORAGE}"
    with pytest.raises(WorkloadError, match="must be one with https\\.") as refused:
        world.append(base)
    assert refused.value.code == Exit.NOT_VERIFIED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mediaType": "application/vnd.oci.artifact.manifest.v1+json"}, "the registry says"),
        ({"manifests": []}, "it must have either layers or manifests"),
        ({"layers": None}, "its layers must be a list"),
        ({"layers": [{"digest": "sha256:1", "size": 1, "mediaType": "x"}]}, "a sha256 digest"),
        ({"layers": [{"digest": f"sha256:{'0' * 64}", "size": -1, "mediaType": "x"}]}, "a size"),
        ({"config": {"digest": f"sha256:{'0' * 64}", "size": 1, "mediaType": "application/json"}}, "its config has"),
        ({"layers": []}, "one diff id for each layer"),
    ],
)
def test_a_manifest_that_isn_t_one_of_an_image_is_refused(world: World, changes: dict[str, Any], reason: str) -> None:
    manifest_type = TYPES["oci"][0]
    original = world.add_base()
    good = json.loads(world.registry.manifests[BASE][original][1])
    base = world.registry.put(BASE, manifest_type, good | changes)
    with pytest.raises(WorkloadError, match=reason) as refused:
        world.append(base)
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"[" * 100_000, b'{"a": NaN}'])
def test_a_manifest_that_isn_t_an_object_is_refused(world: World, content: bytes) -> None:
    base = world.registry.put(BASE, f"{OCI}manifest.v1+json", content)
    with pytest.raises(WorkloadError, match="is not an image that a layer can be added to") as refused:
        world.append(base)
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize(
    "config",
    [{"rootfs": {}}, {"rootfs": None}, {"config": ["a"]}, {"config": {"Labels": ["a"]}}, {"history": {}}],
    ids=str,
)
def test_a_config_that_isn_t_one_of_an_image_is_refused(world: World, config: dict[str, Any]) -> None:
    with pytest.raises(WorkloadError, match="its config") as refused:
        world.append(world.add_base(**config))
    assert refused.value.code == Exit.USAGE
    assert MODELS not in world.registry.manifests

"""The image that comes out: its layer, its labels, and its digest."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.fake_registry import HOST, digest
from tests.unit.serving.oci.world import BASE, BASE_TAR, LABELS, MODELS, OCI, TYPES, World
from workloads.cli import WorkloadError

BASE_DIGEST = "org.opencontainers.image.base.digest"
ARM = {"architecture": "arm64", "variant": "v8"}


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_an_image_has_the_base_s_layers_and_one_more_in_the_media_types_of_its_base(world: World, family: str) -> None:
    image = world.append(world.add_base(family=family))
    manifest = world.manifest(image)
    manifest_type, config_type, layer_type = TYPES[family]
    assert manifest["mediaType"] == world.registry.manifests[MODELS][image][0] == manifest_type
    assert manifest["config"]["mediaType"] == config_type
    assert [layer["mediaType"] for layer in manifest["layers"]] == [layer_type, layer_type]
    assert manifest["layers"][0]["digest"] == digest(gzip.compress(BASE_TAR, mtime=0))


def test_the_config_lists_the_layer_s_tar_and_keeps_what_the_base_says(world: World) -> None:
    config = world.config(image := world.append(world.add_base()))
    assert config["rootfs"]["diff_ids"] == [digest(BASE_TAR), digest(gzip.decompress(world.layer(image)))]
    assert config["config"]["Cmd"] == ["python"]
    assert config["history"][0] == {"created_by": "debootstrap"}
    assert len(config["history"]) == 2


def test_labels_and_annotations_name_the_version_and_the_base(world: World) -> None:
    base = world.add_base()
    image = world.append(base)
    assert world.manifest(image)["annotations"] == LABELS | {BASE_DIGEST: base}
    assert world.config(image)["config"]["Labels"] == {"maintainer": "us"} | LABELS | {BASE_DIGEST: base}


def test_a_manifest_of_docker_s_type_has_labels_only(world: World) -> None:
    image = world.append(world.add_base(family="docker"))
    assert "annotations" not in world.manifest(image)
    assert world.config(image)["config"]["Labels"].items() >= LABELS.items()


def test_files_are_in_models_sorted_with_one_owner_mode_and_time(world: World) -> None:
    layer = world.layer(world.append(world.add_base()))
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as tar:
        entries = tar.getmembers()
        contents = {each.name: extracted.read() for each in entries if (extracted := tar.extractfile(each))}
    assert [each.name for each in entries] == [
        "models",
        "models/evidence",
        "models/evidence/manifest.json",
        "models/model",
        "models/model/MLmodel",
        "models/model/data",
        "models/model/data/weights.bin",
        "models/model/tokens.json",
    ]
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in entries} == {(10001, 10001, "", 0)}
    assert {each.mode for each in entries if each.isfile()} == {0o644}
    assert {each.mode for each in entries if each.isdir()} == {0o755}
    assert contents["models/model/data/weights.bin"] == (world.folder / "model/data/weights.bin").read_bytes()


def test_text_is_compressed_and_weights_are_stored(world: World) -> None:
    layer = world.layer(world.append(world.add_base()))
    weights = (world.folder / "model/data/weights.bin").read_bytes()
    assert weights[:60_000] in layer
    assert len(layer) < len(weights) + 10_000


def test_the_same_version_and_base_give_the_same_digest_wherever_and_whenever_it_is_made(
    world: World, deliver: Callable[[str], Path]
) -> None:
    base = world.add_base()
    first = world.append(base)
    again = World(registry=world.registry, folder=deliver("elsewhere"))
    (again.folder / "model" / "MLmodel").chmod(0o600)
    assert again.append(base, to=f"{HOST}/other/repository") == first


def test_another_version_or_base_gives_another_digest(world: World) -> None:
    first = world.append(world.add_base())
    assert world.append(world.add_base(author="somebody")) != first
    (world.folder / "model" / "MLmodel").write_text("run_id: 4567def\n")
    assert world.append(world.add_base()) != first


def test_long_names_and_other_alphabets_are_kept(world: World) -> None:
    name = "データ" * 20 + "/" + "a" * 200
    (world.folder / "model" / name).parent.mkdir()
    (world.folder / "model" / name).write_text("content")
    layer = world.layer(world.append(world.add_base()))
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as tar:
        assert f"models/model/{name}" in tar.getnames()


def test_of_an_index_the_image_of_linux_amd64_is_taken_unless_another_is_named(world: World) -> None:
    amd, arm = world.add_base(), world.add_base(**ARM)
    index = index_of(world, {amd: {"os": "linux", "architecture": "amd64"}, arm: {"os": "linux", **ARM}})
    assert world.manifest(world.append(index))["annotations"][BASE_DIGEST] == amd
    chosen = world.append(index, platform="linux/arm64")
    assert world.manifest(chosen)["annotations"][BASE_DIGEST] == arm
    assert world.config(chosen)["architecture"] == "arm64"


def test_a_platform_that_the_base_lacks_is_refused_with_those_that_it_has(world: World) -> None:
    index = index_of(world, {world.add_base(): {"os": "linux", "architecture": "amd64"}})
    with pytest.raises(WorkloadError, match=r"has no image for linux/s390x; it has linux/amd64\.") as refused:
        world.append(index, platform="linux/s390x")
    assert refused.value.code == Exit.USAGE
    with pytest.raises(WorkloadError, match="its platform is not linux/arm64"):
        world.append(world.add_base(), platform="linux/arm64")


def index_of(world: World, images: dict[str, dict[str, str]]) -> str:
    manifests = [
        {
            "mediaType": TYPES["oci"][0],
            "digest": image,
            "size": len(world.registry.manifests[BASE][image][1]),
            "platform": platform,
        }
        for image, platform in images.items()
    ]
    media_type = f"{OCI}index.v1+json"
    value = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return world.registry.put(BASE, media_type, json.dumps(value).encode())

"""The command and the names that it takes."""

import pytest

from contracts import Exit
from tests.support.fake_registry import HOST
from tests.unit.serving.oci.world import World
from workloads.cli import WorkloadError
from workloads.serving.oci import labels
from workloads.serving.oci.__main__ import main
from workloads.serving.oci.reference import Reference, Repository

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "text", ["", "models", "library/models", "registry.example", "https://registry.example/models", f"{HOST}/Models"]
)
def test_a_repository_names_its_registry_and_is_in_lower_case(text: str) -> None:
    with pytest.raises(WorkloadError, match="must be HOST") as refused:
        Repository.parse(text)
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize("text", [HOST, f"{HOST}/serving", f"{HOST}/serving:latest", f"{HOST}/serving@sha256:12"])
def test_a_base_is_named_by_its_digest(text: str) -> None:
    with pytest.raises(WorkloadError, match="must be named by its digest") as refused:
        Reference.parse(text)
    assert refused.value.code == Exit.USAGE


def test_a_tag_beside_the_digest_is_dropped() -> None:
    assert str(Reference.parse(f"{HOST}:5000/a/b:v1@{DIGEST}")) == f"{HOST}:5000/a/b@{DIGEST}"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("127.0.0.1.attacker.example", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_only_a_loopback_address_is_reached_without_tls_by_itself(host: str, is_here: bool) -> None:
    assert Repository.parse(f"{host}/models").is_on_this_machine is is_here


@pytest.mark.parametrize(
    ("name", "version", "tag"),
    [
        ("churn", "3", "churn-v3-000000000000"),
        ("Größe / Übung", "12", "Gr-e-bung-v12-000000000000"),
        ("..", None, "model-000000000000"),
        (None, None, "model-000000000000"),
        ("a" * 300, "1", f"{'a' * 100}-000000000000"),
    ],
)
def test_a_tag_is_readable_and_never_moves(name: str | None, version: str | None, tag: str) -> None:
    assert labels.tag(labels.of_version(model=name, version=version), DIGEST) == tag


@pytest.mark.parametrize("missing", ["model", "evidence"])
def test_a_folder_without_the_model_or_its_evidence_is_refused_before_anything_is_asked(
    world: World, missing: str
) -> None:
    (world.folder / missing).rename(world.folder / "away")
    with pytest.raises(WorkloadError, match=f"{missing} must be the directory") as refused:
        main([str(world.folder), "--base", f"{HOST}/serving@{DIGEST}", "--to", f"{HOST}/models"])
    assert refused.value.code == Exit.USAGE


def test_a_link_in_the_model_is_refused(world: World) -> None:
    (world.folder / "model" / "link").symlink_to("/etc/passwd")
    with pytest.raises(WorkloadError, match="is a symbolic link") as refused:
        main([str(world.folder), "--base", f"{HOST}/serving@{DIGEST}", "--to", f"{HOST}/models"])
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize("name", [".wh.weights.bin", ".wh..wh..opq", "data/.wh.x/file"])
def test_a_file_that_would_delete_others_in_the_image_is_refused(world: World, name: str) -> None:
    (world.folder / "model" / name).parent.mkdir(exist_ok=True)
    (world.folder / "model" / name).touch()
    with pytest.raises(WorkloadError, match=r"names with \.wh\. delete files there") as refused:
        main([str(world.folder), "--base", f"{HOST}/serving@{DIGEST}", "--to", f"{HOST}/models"])
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize("platform", ["linux", "linux/", "a/b/c/d", ""])
def test_a_platform_has_two_or_three_parts(world: World, platform: str) -> None:
    arguments = ["--base", f"{HOST}/serving@{DIGEST}", "--to", f"{HOST}/models", f"--platform={platform}"]
    with pytest.raises(WorkloadError, match="A platform must be OS/ARCHITECTURE") as refused:
        main([str(world.folder), *arguments])
    assert refused.value.code == Exit.USAGE

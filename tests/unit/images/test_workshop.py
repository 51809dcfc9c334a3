"""The first builder that works is used. If none works, the error gives the reason for each."""

import os
from pathlib import Path

import pytest

from local.errors import LocalError
from local.images import buildah, workshop
from local.images.engine import DOCKER, PODMAN
from tests.unit.images.conftest import Programs

DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture(autouse=True)
def a_user_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the user subordinate ids."""
    monkeypatch.setattr(buildah, "_has_range", lambda file: True)


def a_docker_that_works(programs: Programs) -> None:
    programs.put("docker", **{"--version": "echo Docker version 28.2.2", "version": "echo 28.2.2"})


def a_podman_that_works(programs: Programs, version: str = "4.3.1") -> None:
    programs.put("podman", info=f"echo {version}")


def a_buildah_that_works(programs: Programs) -> None:
    programs.put("buildah")
    programs.put("newuidmap")


@pytest.mark.usefixtures("ids")
def test_docker_precedes_podman_and_podman_precedes_buildah(programs: Programs) -> None:
    a_buildah_that_works(programs)
    assert workshop.choose().builder.name == "buildah"
    a_podman_that_works(programs)
    assert workshop.choose().builder.name == "podman"
    a_docker_that_works(programs)
    assert workshop.choose().builder.name == "docker"


@pytest.mark.usefixtures("ids")
def test_buildah_is_used_if_docker_has_no_daemon(programs: Programs) -> None:
    programs.put("docker", version="echo Cannot connect to the Docker daemon >&2; exit 1")
    a_buildah_that_works(programs)
    assert workshop.choose().builder is buildah


def test_without_a_builder_the_error_gives_the_reason_for_each(programs: Programs) -> None:
    programs.put("docker", version="echo Cannot connect to the Docker daemon >&2; exit 1")
    programs.put("podman", info="echo 3.0.1")
    with pytest.raises(LocalError) as refused:
        workshop.choose()
    message = str(refused.value)
    assert "docker: its daemon doesn't answer (Cannot connect to the Docker daemon)" in message
    assert "podman: it must be version 4.2 or newer, got 3.0.1" in message
    assert "buildah: not on PATH" in message


def test_a_docker_without_buildx_is_refused(programs: Programs) -> None:
    programs.put("docker", version="echo 20.10.24", buildx="exit 1")
    with pytest.raises(LocalError, match="docker: it lacks the plugin buildx"):
        workshop.choose()


def test_podman_under_dockers_name_is_called_as_podman(programs: Programs) -> None:
    programs.put("docker", **{"--version": "echo podman version 4.3.1"})
    a_podman_that_works(programs)
    assert workshop.choose().builder is PODMAN


def test_buildah_without_root_needs_subordinate_ids(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.put("buildah")
    with pytest.raises(LocalError, match=r"buildah: without root it needs newuidmap \(from Debian's package uidmap\)"):
        workshop.choose()
    programs.put("newuidmap")
    monkeypatch.setattr(buildah, "_has_range", lambda file: file.name != "subgid")
    with pytest.raises(LocalError, match="a range of ids in /etc/subgid: sudo usermod --add-subuids"):
        workshop.choose()


def test_the_base_is_a_registrys_debian_or_the_users_choice(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_docker_that_works(programs)
    assert workshop.choose().base_image == "docker.io/library/debian:bookworm-slim"
    monkeypatch.setenv("AEGIS_BASE_IMAGE", "mirror.example:5000/debian:bookworm")
    assert workshop.choose().base_image == "mirror.example:5000/debian:bookworm"


@pytest.mark.parametrize("setting", ["Debian Bookworm", "https://mirror.example/debian", "debian:", "-rf"])
def test_an_invalid_base_is_refused(programs: Programs, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    a_docker_that_works(programs)
    monkeypatch.setenv("AEGIS_BASE_IMAGE", setting)
    with pytest.raises(LocalError, match=f"AEGIS_BASE_IMAGE must be an image reference, .*, got '{setting}'"):
        workshop.choose()


def test_root_with_buildah_makes_the_base_without_a_registry(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs.put("buildah")
    programs.put("debootstrap")
    assert workshop.choose().base_image is None


def test_an_existing_base_isnt_pulled(programs: Programs, tmp_path: Path) -> None:
    programs.put("podman")
    workshop.Workshop(builder=PODMAN, base_image="debian:bookworm").fetch_base(tmp_path / "log")
    assert programs.calls("podman") == ["inspect --type image debian:bookworm"]


def test_a_failed_pull_of_the_base_says_how_to_set_another(programs: Programs, tmp_path: Path) -> None:
    programs.put("docker", inspect="exit 1", pull="exit 1")
    shop = workshop.Workshop(builder=DOCKER, base_image="debian:bookworm")
    with pytest.raises(LocalError, match=r"docker can't pull the base image debian:bookworm: set AEGIS_BASE_IMAGE"):
        shop.fetch_base(tmp_path / "log")


def test_only_a_registry_on_this_machine_is_used_without_tls(programs: Programs, tmp_path: Path) -> None:
    programs.put("podman", inspect="exit 1")
    for name in ("localhost:5001/debian:12", "127.0.0.1/debian:12", "localhost.example/debian:12"):
        workshop.Workshop(builder=PODMAN, base_image=name).fetch_base(tmp_path / "log")
    pulls = [call for call in programs.calls("podman") if call.startswith("pull")]
    assert pulls == [
        "pull --quiet --tls-verify=false localhost:5001/debian:12",
        "pull --quiet --tls-verify=false 127.0.0.1/debian:12",
        "pull --quiet --tls-verify=true localhost.example/debian:12",
    ]


def test_docker_builds_into_its_own_storage_whichever_builder_is_selected(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDX_BUILDER", "far-away")
    programs.put("docker", build='echo "builder ${BUILDX_BUILDER-none}"')
    file, log = tmp_path / "Containerfile", tmp_path / "log"
    DOCKER.build("localhost/aegis/s3:1", container_file=file, context=tmp_path, options=["--build-arg", "A=1"], log=log)
    (call,) = programs.calls("docker")
    assert call.startswith("build --load --provenance=false --build-arg A=1 --file")
    assert "builder none" in log.read_text()


def test_a_push_returns_the_registrys_digest(programs: Programs, tmp_path: Path) -> None:
    digests = f'echo \'["elsewhere/s3@sha256:{"2" * 64}", "localhost:5001/aegis/s3@{DIGEST}"]\''
    programs.put("docker", inspect=digests)
    programs.put(
        "podman", push=f'for o in "$@"; do case $o in --digestfile=*) printf {DIGEST} > "${{o#*=}}";; esac; done'
    )
    for builder in (DOCKER, PODMAN):
        pushed = builder.push(
            "localhost/aegis/s3:1", "localhost:5001/aegis/s3:1", plain_http=True, log=tmp_path / "log"
        )
        assert pushed == DIGEST
    assert "push --quiet localhost:5001/aegis/s3:1" in programs.calls("docker")

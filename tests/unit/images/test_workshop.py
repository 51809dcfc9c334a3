"""Images are built with the first builder that works here, and who has none is told of each why it doesn't."""

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
    """Give the user ids to give away."""
    monkeypatch.setattr(buildah, "_has_range", lambda file: True)


def a_docker_that_works(programs: Programs) -> None:
    programs.put("docker", **{"--version": "echo Docker version 28.2.2", "version": "echo 28.2.2"})


def a_podman_that_works(programs: Programs, version: str = "4.3.1") -> None:
    programs.put("podman", info=f"echo {version}")


def a_buildah_that_works(programs: Programs) -> None:
    programs.put("buildah")
    programs.put("newuidmap")


@pytest.mark.usefixtures("ids")
def test_docker_comes_before_podman_and_podman_before_buildah(programs: Programs) -> None:
    a_buildah_that_works(programs)
    assert workshop.choose().builder.name == "buildah"
    a_podman_that_works(programs)
    assert workshop.choose().builder.name == "podman"
    a_docker_that_works(programs)
    assert workshop.choose().builder.name == "docker"


@pytest.mark.usefixtures("ids")
def test_a_docker_without_a_daemon_gives_way_to_buildah(programs: Programs) -> None:
    programs.put("docker", version="echo Cannot connect to the Docker daemon >&2; exit 1")
    a_buildah_that_works(programs)
    assert workshop.choose().builder is buildah


def test_who_has_no_builder_is_told_of_each_why_it_does_not_work(programs: Programs) -> None:
    programs.put("docker", version="echo Cannot connect to the Docker daemon >&2; exit 1")
    programs.put("podman", info="echo 3.0.1")
    with pytest.raises(LocalError) as refused:
        workshop.choose()
    told = str(refused.value)
    assert "docker: its daemon doesn't answer (Cannot connect to the Docker daemon)" in told
    assert "podman: it is version 3.0.1, and 4.2 is needed" in told
    assert "buildah: not on PATH" in told


def test_a_docker_without_buildx_is_told(programs: Programs) -> None:
    programs.put("docker", version="echo 20.10.24", buildx="exit 1")
    with pytest.raises(LocalError, match="docker: it lacks its plugin buildx"):
        workshop.choose()


def test_podman_under_dockers_name_is_called_by_its_own(programs: Programs) -> None:
    programs.put("docker", **{"--version": "echo podman version 4.3.1"})
    a_podman_that_works(programs)
    assert workshop.choose().builder is PODMAN


def test_a_buildah_without_root_needs_ids_to_give_away(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.put("buildah")
    with pytest.raises(LocalError, match=r"buildah: without root it needs newuidmap \(Debian's package uidmap\)"):
        workshop.choose()
    programs.put("newuidmap")
    monkeypatch.setattr(buildah, "_has_range", lambda file: file.name != "subgid")
    with pytest.raises(LocalError, match="a range of ids in /etc/subgid: sudo usermod --add-subuids"):
        workshop.choose()


def test_the_base_is_a_registrys_debian_or_the_one_that_the_user_names(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_docker_that_works(programs)
    assert workshop.choose().base_image == "docker.io/library/debian:bookworm-slim"
    monkeypatch.setenv("AEGIS_BASE_IMAGE", "mirror.example:5000/debian:bookworm")
    assert workshop.choose().base_image == "mirror.example:5000/debian:bookworm"


@pytest.mark.parametrize("given", ["Debian Bookworm", "https://mirror.example/debian", "debian:", "-rf"])
def test_a_base_that_is_no_image_is_refused(programs: Programs, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    a_docker_that_works(programs)
    monkeypatch.setenv("AEGIS_BASE_IMAGE", given)
    with pytest.raises(LocalError, match=f"AEGIS_BASE_IMAGE is '{given}': it must be the reference of an image"):
        workshop.choose()


def test_root_with_buildah_makes_the_base_without_a_registry(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs.put("buildah")
    programs.put("debootstrap")
    assert workshop.choose().base_image is None


def test_a_base_that_is_here_is_not_fetched(programs: Programs, tmp_path: Path) -> None:
    programs.put("podman")
    workshop.Workshop(builder=PODMAN, base_image="debian:bookworm").fetch_base(tmp_path / "log")
    assert programs.calls("podman") == ["inspect --type image debian:bookworm"]


def test_a_base_that_cannot_be_fetched_tells_how_to_name_another(programs: Programs, tmp_path: Path) -> None:
    programs.put("docker", inspect="exit 1", pull="exit 1")
    shop = workshop.Workshop(builder=DOCKER, base_image="debian:bookworm")
    with pytest.raises(LocalError, match=r"docker can't fetch debian:bookworm.*set AEGIS_BASE_IMAGE"):
        shop.fetch_base(tmp_path / "log")


def test_a_registry_on_this_machine_is_asked_without_tls_and_any_other_with_it(
    programs: Programs, tmp_path: Path
) -> None:
    programs.put("podman", inspect="exit 1")
    for name in ("localhost:5001/debian:12", "127.0.0.1/debian:12", "localhost.example/debian:12"):
        workshop.Workshop(builder=PODMAN, base_image=name).fetch_base(tmp_path / "log")
    pulls = [call for call in programs.calls("podman") if call.startswith("pull")]
    assert pulls == [
        "pull --quiet --tls-verify=false localhost:5001/debian:12",
        "pull --quiet --tls-verify=false 127.0.0.1/debian:12",
        "pull --quiet --tls-verify=true localhost.example/debian:12",
    ]


def test_docker_builds_into_its_own_storage_whatever_builder_is_chosen(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDX_BUILDER", "far-away")
    programs.put("docker", build='echo "builder ${BUILDX_BUILDER-none}"')
    file, log = tmp_path / "Containerfile", tmp_path / "log"
    DOCKER.build("localhost/aegis/s3:1", container_file=file, context=tmp_path, options=["--build-arg", "A=1"], log=log)
    (call,) = programs.calls("docker")
    assert call.startswith("build --load --provenance=false --build-arg A=1 --file")
    assert "builder none" in log.read_text()


def test_a_pushed_image_is_known_by_the_digest_that_the_registry_gave_it(programs: Programs, tmp_path: Path) -> None:
    known = f'echo \'["elsewhere/s3@sha256:{"2" * 64}", "localhost:5001/aegis/s3@{DIGEST}"]\''
    programs.put("docker", inspect=known)
    programs.put(
        "podman", push=f'for o in "$@"; do case $o in --digestfile=*) printf {DIGEST} > "${{o#*=}}";; esac; done'
    )
    for builder in (DOCKER, PODMAN):
        pushed = builder.push(
            "localhost/aegis/s3:1", "localhost:5001/aegis/s3:1", plain_http=True, log=tmp_path / "log"
        )
        assert pushed == DIGEST
    assert "push --quiet localhost:5001/aegis/s3:1" in programs.calls("docker")

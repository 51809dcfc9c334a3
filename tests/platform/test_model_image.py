"""The image of a model version in a real registry, as buildah reads it."""

import dataclasses
import filecmp
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local import paths
from local.toolchain import debian
from tests.support.image_builder import ImageBuilder
from tests.support.registry_server import registry_server
from tests.support.token_server import token_server
from workloads.serving.oci import labels
from workloads.serving.oci.append import append
from workloads.serving.oci.layer import Layer
from workloads.serving.oci.reference import Reference, Repository

LABELS = labels.of_version(model="churn", version="3")
WEIGHTS_BYTES = 20_000_000


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with registry_server() as address:
        yield address


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> ImageBuilder:
    debian.install(debian.missing_packages(tests=True))
    return ImageBuilder(folder=tmp_path_factory.mktemp("buildah"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A delivered version, with weights that no other test has."""
    folder = tmp_path / "models"
    (folder / "model" / "data").mkdir(parents=True)
    (folder / "evidence").mkdir()
    (folder / "model" / "MLmodel").write_text("run_id: 0123abc\n" * 1000)
    (folder / "model" / "data" / "weights.bin").write_bytes(os.urandom(WEIGHTS_BYTES))
    (folder / "evidence" / "manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_buildah_runs_the_command_s_image_with_the_version_s_files(
    registry: str, buildah: ImageBuilder, folder: Path, form: str
) -> None:
    base = f"{registry}/aegis/serving@{buildah.push_base(f'{registry}/aegis/serving', form=form)}"
    image = run("--base", base, "--to", f"{registry}/aegis/models", "--name", "churn", "--version", "3", str(folder))
    with buildah.mounted(image) as files:
        assert (files / "greeting").read_text() == "hello\n"
        assert is_same(files / "models", folder)
        owner = (files / "models/model/data/weights.bin").stat()
    assert (owner.st_uid, owner.st_gid, owner.st_mtime) == (10001, 10001, 0)
    config = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    assert config["Cmd"] == ["/greeting"]
    assert config["Labels"].items() >= {"maintainer": "us", **LABELS}.items()


def test_of_an_index_the_image_of_the_named_platform_is_extended(
    registry: str, buildah: ImageBuilder, folder: Path
) -> None:
    place = f"{registry}/aegis/both"
    images = [f"{place}@{buildah.push_base(f'{place}:{each}', architecture=each)}" for each in ("arm64", "amd64")]
    base = f"{place}@{buildah.push_index(f'{place}:index', images)}"
    extended = [
        run("--base", base, "--to", f"{registry}/aegis/models", str(folder), *platform)
        for platform in ([], ["--platform", "linux/arm64"])
    ]
    architectures = []
    for image in extended:
        with buildah.mounted(image) as files:
            assert is_same(files / "models", folder)
        architectures.append(json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["architecture"])
    assert architectures == ["amd64", "arm64"]


def test_a_push_that_dies_leaves_no_image_and_the_next_one_completes_it(
    registry: str, buildah: ImageBuilder, folder: Path
) -> None:
    base = Reference.parse(f"{registry}/aegis/serving@{buildah.push_base(f'{registry}/aegis/serving')}")
    repository = Repository.parse(f"{registry}/aegis/killed")
    layer = Layer.of(folder)

    def dies() -> Iterator[bytes]:
        yield next(iter(layer.blob.read_from(0)))
        raise SystemExit

    with pytest.raises(SystemExit):
        append(base, dataclasses.replace(layer, blob=dataclasses.replace(layer.blob, read=dies)), repository, LABELS)
    assert not httpx.get(f"http://{registry}/v2/aegis/killed/tags/list").json().get("tags")
    image = append(base, layer, repository, LABELS)
    with buildah.mounted(str(image)) as files:
        assert is_same(files / "models", folder)


def test_an_upload_that_breaks_off_goes_on_where_the_registry_says(
    registry: str, buildah: ImageBuilder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Reference.parse(f"{registry}/aegis/serving@{buildah.push_base(f'{registry}/aegis/serving')}")
    layer = Layer.of(folder)
    transport = BreaksOff(after=WEIGHTS_BYTES // 2)
    with httpx.Client(transport=transport) as client:
        image = append(base, layer, Repository.parse(f"{registry}/aegis/resumed"), LABELS, client=client)
    assert transport.resumed_at
    assert 0 < transport.resumed_at[0] <= WEIGHTS_BYTES // 2 + (2 << 20)
    with buildah.mounted(str(image)) as files:
        assert is_same(files / "models", folder)


def test_a_registry_with_a_token_server_gives_one_token_for_the_whole_push(
    buildah: ImageBuilder, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with token_server() as tokens, registry_server(auth=tokens.registry_config(tmp_path)) as registry:
        config = tokens.write_docker_config(tmp_path, registry)
        monkeypatch.setenv("DOCKER_CONFIG", str(config.parent))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(config))
        base = f"{registry}/aegis/serving@{buildah.push_base(f'{registry}/aegis/serving')}"
        tokens.asked.clear()
        image = run("--base", base, "--to", f"{registry}/aegis/models", str(folder))
        assert tokens.asked == [["repository:aegis/models:pull,push", "repository:aegis/serving:pull"]]
        with buildah.mounted(image) as files:
            assert is_same(files / "models", folder)


class BreaksOff(httpx.HTTPTransport):
    """A network that breaks the first upload off after some bytes, and notes where the next ones go on."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left: int | None = after
        self.resumed_at: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            if start := request.headers.get("content-range"):
                self.resumed_at.append(int(start.partition("-")[0]))
            elif self._left is not None:
                request.stream = _Broken(request.stream, self._left)
                self._left = None
        return super().handle_request(request)


class _Broken(httpx.SyncByteStream):
    def __init__(self, stream: object, left: int) -> None:
        assert isinstance(stream, httpx.SyncByteStream)
        self._stream = stream
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        for block in self._stream:
            yield block
            self._left -= len(block)
            if self._left < 0:
                raise httpx.WriteError("the network breaks off")


def run(*arguments: str) -> str:
    """Run the command, and return the image that it prints."""
    command = [sys.executable, "-m", "workloads.serving.oci", *arguments]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_same(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same files."""
    compared = filecmp.dircmp(one, other)
    if compared.left_only or compared.right_only:
        return False
    _, different, unread = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    return not different + unread and all(is_same(one / name, other / name) for name in compared.common_dirs)

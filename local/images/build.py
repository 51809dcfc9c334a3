"""One build: what the container file may read, and the packages and programs of this machine that it is given."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local import paths
from local.images import buildah, commit, debian, inputs
from local.images.catalogue import DEBIAN, Image

UV_CACHE = "/var/cache/uv"
CERTIFICATES = "/etc/ssl/certs"


def build(image: Image, reference: str, base: str | None, programs: Mapping[str, Path], log: Path) -> None:
    """Build `image` on the image `base` into buildah's storage, as `reference`; `programs` are what it holds of ours.

    Raises:
        LocalError: A step of the build failed; names the log.
    """
    container_file = inputs.container_file(image)
    if image.name == DEBIAN:
        with debian.root_file_system(log) as context:
            buildah.build(reference, container_file=container_file, context=context, options=(), log=log)
        return
    with tempfile.TemporaryDirectory(prefix="aegis-image-") as folder:
        options = [*_arguments(image, base), *commit.arguments(container_file), *_programs(Path(folder), programs)]
        if "from=uv," in container_file.read_text():
            options += _packages()
        buildah.build(reference, container_file=container_file, context=paths.REPOSITORY, options=options, log=log)


def _arguments(image: Image, base: str | None) -> list[str]:
    arguments = {**image.args, **({"BASE": base} if base else {})}
    return [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]


def _programs(folder: Path, programs: Mapping[str, Path]) -> list[str]:
    for name, program in programs.items():
        shutil.copy2(program, folder / name)
    return ["--build-context", f"bin={folder}"] if programs else []


def _packages() -> list[str]:
    """Give the build this machine's uv with its cache and its index, and the certificates that this machine trusts."""
    cache = paths.cache() / "uv"
    cache.mkdir(parents=True, exist_ok=True)
    index = os.environ.get("UV_DEFAULT_INDEX")
    return [
        "--build-context", f"uv={paths.cache() / 'uv-tool' / 'bin'}",
        "--build-arg", "UV_NO_CACHE=false", "--build-arg", f"UV_CACHE_DIR={UV_CACHE}",
        *(["--build-arg", f"UV_DEFAULT_INDEX={index}"] if index else []),
        "--volume", f"{cache}:{UV_CACHE}", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
    ]  # fmt: skip

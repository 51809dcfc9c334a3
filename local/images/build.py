"""The build of one image, with access to the repository and to this machine's packages and programs."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local import paths
from local.images import commit, debian, inputs
from local.images.catalogue import DEBIAN, Image
from local.images.workshop import Builder

UV_CACHE = "/var/cache/uv"
CERTIFICATES = Path("/etc/ssl/certs")
# On Debian, this file contains the certificates. Elsewhere, it may be a link to a file that an image doesn't have.
BUNDLE = CERTIFICATES / "ca-certificates.crt"


def build(
    builder: Builder, image: Image, reference: str, base: str | None, programs: Mapping[str, Path], log: Path
) -> None:
    """Build `image` on the image `base`, as `reference`. `programs` are the toolchain's tools that it contains.

    Raises:
        LocalError: A step of the build failed; names the log.
    """
    container_file = inputs.container_file(image)
    if image.name == DEBIAN:
        with debian.root_file_system(log) as context:
            builder.build(reference, container_file=container_file, context=context, options=(), log=log)
        return
    with tempfile.TemporaryDirectory(prefix="aegis-image-") as folder:
        options = [*_arguments(image, base), *commit.arguments(container_file), *_programs(Path(folder), programs)]
        if "from=uv," in container_file.read_text():
            options += _packages(mounts=builder.mounts)
        builder.build(reference, container_file=container_file, context=paths.REPOSITORY, options=options, log=log)


def _arguments(image: Image, base: str | None) -> list[str]:
    arguments = {**image.args, **({"BASE": base} if base else {})}
    return [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]


def _programs(folder: Path, programs: Mapping[str, Path]) -> list[str]:
    for name, program in programs.items():
        shutil.copy2(program, folder / name)
    return ["--build-context", f"bin={folder}"] if programs else []


def _packages(*, mounts: bool) -> list[str]:
    """Return options for this machine's uv and package index; with `mounts` also for the cache and CA bundle."""
    index = os.environ.get("UV_DEFAULT_INDEX")
    options = [
        "--build-context", f"uv={paths.cache() / 'uv-tool' / 'bin'}",
        *(["--build-arg", f"UV_DEFAULT_INDEX={index}"] if index else []),
    ]  # fmt: skip
    if not mounts:
        return options
    cache = paths.cache() / "uv"
    cache.mkdir(parents=True, exist_ok=True)
    options += ["--build-arg", "UV_NO_CACHE=false", "--build-arg", f"UV_CACHE_DIR={UV_CACHE}"]
    options += ["--volume", f"{cache}:{UV_CACHE}"]
    return options + (["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if _is_file(BUNDLE) else [])


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()

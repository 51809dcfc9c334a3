"""buildah with a storage of its own: makes base images, and reads the images that we make as a runtime would."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageBuilder:
    """buildah, which keeps its storage under `folder` and reaches registries without TLS."""

    folder: Path

    def __call__(self, *arguments: str | Path) -> str:
        """Run buildah, and return its standard output."""
        storage = ("--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        done = subprocess.run(["buildah", *storage, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def push_base(self, target: str, *, form: str = "oci", architecture: str = "amd64", filler: int = 0) -> str:
        """Push a small image with `filler` random bytes, in the format `oci` or `v2s2`, and return its digest."""
        (self.folder / "greeting").write_text("hello\n")
        with (self.folder / "filler").open("wb") as stream:
            for start in range(0, filler, _BLOCK_BYTES):
                stream.write(os.urandom(min(filler - start, _BLOCK_BYTES)))
        container = self("from", "--arch", architecture, "scratch")
        self("copy", container, self.folder / "greeting", self.folder / "filler", "/")
        self("config", "--label", "maintainer=us", "--cmd", '["/greeting"]', "--arch", architecture, container)
        self("commit", "--rm", "--quiet", container, f"localhost/base-{architecture}")
        return self._pushed("push", "--format", form, f"localhost/base-{architecture}", f"docker://{target}")

    def push_index(self, target: str, images: list[str]) -> str:
        """Push an index of images of a registry, and return its digest."""
        self("manifest", "create", "localhost/index")
        for image in images:
            self("manifest", "add", "--tls-verify=false", "localhost/index", f"docker://{image}")
        return self._pushed("manifest", "push", "--all", "localhost/index", f"docker://{target}")

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """Pull an image, and give the folder of its files."""
        container = self("from", "--pull-always", "--quiet", "--tls-verify=false", f"docker://{image}")
        try:
            yield Path(self("mount", container))
        finally:
            self("rm", container)

    def _pushed(self, *command: str) -> str:
        digest = self.folder / "digest"
        *options, image, target = command
        self(*options, "--quiet", "--tls-verify=false", f"--digestfile={digest}", image, target)
        return digest.read_text().strip()

"""A registry with a base image and a delivered model version, for the tests of this folder."""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fake_registry import HOST, FakeRegistry, digest
from workloads.serving.oci import labels
from workloads.serving.oci.append import append
from workloads.serving.oci.image import Platform
from workloads.serving.oci.layer import Layer
from workloads.serving.oci.reference import Reference, Repository

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
BASE, MODELS = "aegis/serving", "aegis/models"
LABELS = labels.of_version(model="churn", version="3", run="0123abc", manifest="f" * 64)
# What a tar of no file is; it stands for the base's file system.
BASE_TAR = bytes(1024)
# They do not shrink, as weights do not.
WEIGHTS = random.Random(7).randbytes(3_000_000)  # noqa: S311 - not a secret
TYPES = {
    "oci": (f"{OCI}manifest.v1+json", f"{OCI}config.v1+json", f"{OCI}layer.v1.tar+gzip"),
    "docker": (
        f"{DOCKER}distribution.manifest.v2+json",
        f"{DOCKER}container.image.v1+json",
        f"{DOCKER}image.rootfs.diff.tar.gzip",
    ),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """A registry with a base image, and the folder of a delivered model version."""

    registry: FakeRegistry
    folder: Path

    def add_base(self, *, family: str = "oci", repository: str = BASE, **config: Any) -> str:
        """Store a base image of one layer, and return its digest."""
        manifest_type, config_type, layer_type = TYPES[family]
        layer = gzip.compress(BASE_TAR, mtime=0)
        fields = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Cmd": ["python"], "Labels": {"maintainer": "us"}},
            "rootfs": {"type": "layers", "diff_ids": [digest(BASE_TAR)]},
            "history": [{"created_by": "debootstrap"}],
        }
        config_bytes = json.dumps(fields | config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": self._descriptor(repository, config_bytes, config_type),
            "layers": [self._descriptor(repository, layer, layer_type)],
        }
        return self.registry.put(repository, manifest_type, manifest)

    def append(
        self, base: str, *, to: str = f"{HOST}/{MODELS}", of: str = f"{HOST}/{BASE}", platform: str | None = None
    ) -> str:
        """Append the folder to the base with this digest, and return the digest of the new image."""
        with self.registry.client() as client:
            image = append(
                Reference.parse(f"{of}@{base}"),
                Layer.of(self.folder),
                Repository.parse(to),
                LABELS,
                platform=Platform.parse(platform) if platform else None,
                client=client,
            )
        assert str(image) == f"{to}@{image.digest}"
        return image.digest

    def manifest(self, image: str) -> dict[str, Any]:
        return json.loads(self.registry.manifests[MODELS][image][1])

    def config(self, image: str) -> dict[str, Any]:
        return json.loads(self.registry.blobs[MODELS][self.manifest(image)["config"]["digest"]])

    def layer(self, image: str) -> bytes:
        return self.registry.blobs[MODELS][self.manifest(image)["layers"][-1]["digest"]]

    def _descriptor(self, repository: str, content: bytes, media_type: str) -> dict[str, Any]:
        return {
            "mediaType": media_type,
            "digest": self.registry.put_blob(repository, content),
            "size": len(content),
        }

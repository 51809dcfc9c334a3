"""Settings of the images that a stack's pods run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from infra.settings.capability import Capability

if TYPE_CHECKING:
    from infra.settings.model import Settings

# A registry with or without a port, the path, and a tag, a digest, or both:
# https://github.com/distribution/reference/blob/main/reference.go
_PATH = r"[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_IMAGE = rf"^{_PATH}({_TAG}|{_DIGEST}|{_TAG}{_DIGEST})$"


class Images(Capability):
    """The reference of each image; `make up` writes them to a file, a cloud stack names its registry's."""

    postgres: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="an image reference with a tag or a digest, of PostgreSQL in the cluster",
    )
    s3: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="an image reference with a tag or a digest, of the S3 server in the cluster",
    )
    vault: str | None = Field(
        default=None, pattern=_IMAGE, description="an image reference with a tag or a digest, of Vault in the cluster"
    )
    mlflow: str = Field(pattern=_IMAGE, description="an image reference with a tag or a digest, of the MLflow server")
    workloads: str = Field(pattern=_IMAGE, description="an image reference with a tag or a digest, of the workloads")
    trainer: str | None = Field(
        default=None, pattern=_IMAGE, description="an image reference with a tag or a digest, of the trainer"
    )

    def of(self, name: str) -> str:
        """Return the reference of an image that the stack runs.

        Raises:
            ValueError: It is not set; the check of the settings finds this first.
        """
        reference: str | None = getattr(self, name)
        if reference is None:
            raise ValueError(f"images.{name} is not set.")
        return reference

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each image that the stack runs and doesn't name."""
        needed = {
            "postgres": settings.database.kind == "in-cluster",
            "s3": settings.artifact_store.kind == "in-cluster",
            "vault": settings.vault.kind == "in-cluster",
            "trainer": settings.release.enabled,
        }
        for name, is_needed in needed.items():
            if is_needed and getattr(self, name) is None:
                yield f"images.{name}: not set; allowed: an image reference with a tag or a digest (this stack runs it)"

"""Settings of the container images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from infra.settings.capability import Capability

if TYPE_CHECKING:
    from infra.settings.model import Settings

# An optional registry with an optional port, a path, and a tag, a digest or both:
# https://github.com/distribution/reference/blob/main/reference.go
_PATH = r"[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_IMAGE = rf"^{_PATH}({_TAG}|{_DIGEST}|{_TAG}{_DIGEST})$"


class Images(Capability):
    """The container images. `make up` writes their references to a file; a stack in AWS sets those of its registry."""

    postgres: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="the image of PostgreSQL in the cluster: an image reference with a tag or a digest",
    )
    s3: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="the image of the S3 server in the cluster: an image reference with a tag or a digest",
    )
    vault: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="the image of Vault in the cluster: an image reference with a tag or a digest",
    )
    mlflow: str = Field(
        pattern=_IMAGE, description="the image of the tracking server: an image reference with a tag or a digest"
    )
    workloads: str = Field(
        pattern=_IMAGE, description="the image of the workloads: an image reference with a tag or a digest"
    )
    trainer: str | None = Field(
        default=None, pattern=_IMAGE, description="the image of the trainer: an image reference with a tag or a digest"
    )

    gateway: str | None = Field(
        default=None, pattern=_IMAGE, description="the image of the gateway: an image reference with a tag or a digest"
    )
    serving: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="the image of the model servers and of what rolls them out: an image reference with a tag or a "
        "digest",
    )
    monitoring: str | None = Field(
        default=None,
        pattern=_IMAGE,
        description="the image of Prometheus, Alertmanager and their exporters: an image reference with a tag or a "
        "digest",
    )

    def of(self, name: str) -> str:
        """Return the reference of the image `name`.

        Raises:
            ValueError: It isn't set. The check of the settings reports this first for images that the stack runs.
        """
        reference: str | None = getattr(self, name)
        if reference is None:
            raise ValueError(f"images.{name} isn't set.")
        return reference

    def problems(self, settings: "Settings") -> Iterator[str]:
        """Yield a line for each image that the stack runs but doesn't set."""
        needed = {
            **settings.servers_in_cluster,
            "trainer": settings.release.enabled or settings.promotion.enabled,
            "gateway": settings.gateway.enabled,
            "serving": settings.serving.enabled,
            "monitoring": settings.monitoring.needs_image(settings),
        }
        for name, is_needed in needed.items():
            if is_needed and getattr(self, name) is None:
                yield f"images.{name}: not set; allowed: an image reference with a tag or a digest (this stack runs it)"

"""What an image says about the model version in it: labels of its config, which are its manifest's annotations too."""

import re
from collections.abc import Mapping
from typing import Final

MODEL: Final = "aegis.model.name"
VERSION: Final = "aegis.model.version"
RUN: Final = "aegis.run.id"
# The SHA-256 of the signed manifest.
MANIFEST: Final = "aegis.manifest.sha256"
# The digest of the image below; https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md
BASE: Final = "org.opencontainers.image.base.digest"

# In characters. A tag has at most 128, and ends with a part of the digest.
_LONGEST: Final = 100
_DIGEST_PART: Final = 12


def of_version(
    *, model: str | None = None, version: str | None = None, run: str | None = None, manifest: str | None = None
) -> dict[str, str]:
    """Return the labels of a model version; what is None or empty is left out."""
    labels = {MODEL: model, VERSION: version, RUN: run, MANIFEST: manifest}
    return {name: value for name, value in labels.items() if value}


def tag(labels: Mapping[str, str], digest: str) -> str:
    """Return the tag of an image, such as `churn-v3-0123456789ab`.

    Servers name the image by digest. The tag is for people, and keeps registries from deleting the image as untagged.
    It never moves, since it ends with a part of the digest: repositories with immutable tags accept it.
    """
    words = (labels.get(MODEL, "model"), f"v{labels[VERSION]}" if VERSION in labels else "")
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(words))[:_LONGEST].strip("-.")
    return f"{readable or 'model'}-{digest.removeprefix('sha256:')[:_DIGEST_PART]}"

"""Images by digest: what was tested is what runs."""

import re
from collections.abc import Iterator
from typing import Final

from policy.known import UNKNOWN
from policy.pods import WORKLOADS, containers_of
from policy.resource import Resource
from policy.rule import each

_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")


def _digest(workload: Resource) -> Iterator[str]:
    for container in containers_of(workload):
        image = container.get("image")
        if image is not UNKNOWN and not (isinstance(image, str) and _DIGEST.search(image)):
            yield f"{container.get('name')}: image is {image or 'not set'}."


RULES: Final = (
    each(
        "image-by-digest",
        "A container's image can't be exchanged behind its name. Refer to it as NAME@sha256:DIGEST. An environment "
        "whose images are its own node's opens this rule in its policy file.",
        WORKLOADS,
        _digest,
    ),
)

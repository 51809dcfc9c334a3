"""Rules about container images: scanned, never replaced under the same name, and referred to by digest."""

import re
from collections.abc import Iterator
from typing import Final

from policy.kubernetes import OBJECTS, containers_of
from policy.resources import UNKNOWN, Resource, differs
from policy.rule import each

_REPOSITORY: Final = ("aws:ecr/repository:Repository",)
_TEMPLATE: Final = ("aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",)
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")


def _scan(repository: Resource) -> Iterator[str]:
    if differs(repository.get("imageScanningConfiguration", "scanOnPush"), required=True):
        yield "imageScanningConfiguration.scanOnPush is not true."


def _tags(repository: Resource) -> Iterator[str]:
    mutability = repository.get("imageTagMutability")
    if differs(mutability, "IMMUTABLE"):
        yield f"imageTagMutability is {mutability or 'not set'}."


def _digest(workload: Resource) -> Iterator[str]:
    for container in containers_of(workload):
        image = container.get("image")
        if image is not UNKNOWN and not (isinstance(image, str) and _DIGEST.search(image)):
            yield f"{container.get('name')}: image is {image or 'not set'}."


RULES: Final = (
    each(
        "repository-scans-images",
        "A repository scans images for known vulnerabilities. Set imageScanningConfiguration.scanOnPush to true.",
        _REPOSITORY,
        _scan,
    ),
    each(
        "repository-tags-are-immutable",
        "A tag always names the same image. Set imageTagMutability to IMMUTABLE.",
        (*_REPOSITORY, *_TEMPLATE),
        _tags,
    ),
    each(
        "image-by-digest",
        "A container runs the image that was tested. Refer to it as NAME@sha256:DIGEST. An environment that uses "
        "images from its own node relaxes this rule in its policy file.",
        OBJECTS,
        _digest,
    ),
)

"""Image repositories: scanned, and with tags that never move."""

from collections.abc import Iterator
from typing import Final

from policy.known import differs
from policy.resource import Resource
from policy.rule import each

_REPOSITORY: Final = ("aws:ecr/repository:Repository",)
_TEMPLATE: Final = ("aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate",)


def _scan(repository: Resource) -> Iterator[str]:
    if differs(repository.get("imageScanningConfiguration", "scanOnPush"), wanted=True):
        yield "imageScanningConfiguration.scanOnPush is not true."


def _tags(repository: Resource) -> Iterator[str]:
    mutability = repository.get("imageTagMutability")
    if differs(mutability, "IMMUTABLE"):
        yield f"imageTagMutability is {mutability or 'not set'}."


RULES: Final = (
    each(
        "repository-scans-images",
        "A repository looks for known vulnerabilities. Set imageScanningConfiguration.scanOnPush to true.",
        _REPOSITORY,
        _scan,
    ),
    each(
        "repository-tags-are-immutable",
        "A tag stays on the image that it was given to. Set imageTagMutability to IMMUTABLE.",
        (*_REPOSITORY, *_TEMPLATE),
        _tags,
    ),
)

"""All rules of the pack."""

from typing import Final

from policy import access, images, lifecycle, network, plain_secrets, pods, storage, tags
from policy.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *storage.RULES,
    *lifecycle.RULES,
    *access.RULES,
    *network.RULES,
    *pods.RULES,
    *images.RULES,
    *plain_secrets.RULES,
    *tags.RULES,
)

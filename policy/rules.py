"""All rules, by concern."""

from typing import Final

from policy import (
    buckets,
    containers,
    data_protection,
    databases,
    images,
    key_rotation,
    log_groups,
    namespaces,
    permissions,
    plain_secrets,
    repositories,
    roles,
    security_groups,
    service_types,
    tags,
    volumes,
)
from policy.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *buckets.RULES,
    *databases.RULES,
    *data_protection.RULES,
    *key_rotation.RULES,
    *log_groups.RULES,
    *permissions.RULES,
    *roles.RULES,
    *repositories.RULES,
    *containers.RULES,
    *images.RULES,
    *plain_secrets.RULES,
    *tags.RULES,
    *service_types.RULES,
    *namespaces.RULES,
    *security_groups.RULES,
    *volumes.RULES,
)

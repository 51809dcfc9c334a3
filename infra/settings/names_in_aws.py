"""Check every name that a stack uses in AWS, by the same calls that name the deployed resources."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import contracts
from infra.limits.account import REPLICATION, Account
from infra.limits.aws_names import RefusedNameError
from infra.limits.buckets import LOGS, PURPOSES
from infra.settings.model import Settings

# A setting's key and value, and the call that builds a name from it or raises `RefusedNameError`.
Name = tuple[str, str, Callable[[], str]]


def problems(settings: Settings, account: Account) -> Iterator[str]:
    """Yield a line for each setting and kind of name, about the name that exceeds its limit the most."""
    worst: dict[tuple[str, str], tuple[str, RefusedNameError]] = {}
    for key, value, make in names(settings, account):
        try:
            make()
        except RefusedNameError as error:
            previous = worst.get((key, error.kind.what))
            if previous is None or error.excess > previous[1].excess:
                worst[key, error.kind.what] = value, error
    for (key, _), (value, error) in worst.items():
        yield _problem(key, value, error)


def names(settings: Settings, account: Account) -> Iterator[Name]:
    """Yield each name that the stack uses in AWS, with the setting that is part of it."""
    if settings.environment is None:
        return
    environment = "environment.name", settings.environment.name
    for make, *arguments in _of_resources(settings, account):
        yield *environment, partial(make, *arguments)
    for workload in settings.identities():
        if workload.granted(settings.stores_in_aws):
            key, value = workload.setting or environment
            yield key, value, partial(account.role_name, workload.role_purpose)


def _of_resources(settings: Settings, account: Account) -> Iterator[tuple[Callable[..., str], *tuple[str, ...]]]:
    yield account.key_alias, "images"
    for image in contracts.IMAGES:
        yield account.repository_name, image
    if settings.serving.pushes_to_aws(settings):
        yield account.repository_name, contracts.MODELS_REPOSITORY
    if settings.database.kind == "rds":
        yield from ((account.database_identifier,), (account.key_alias, "database"))
    if settings.artifact_store.kind != "s3":
        return
    replica_region = settings.artifact_store.replica_region
    for region in (account.region, *([replica_region] if replica_region else [])):
        in_region = replace(account, region=region)
        yield in_region.key_alias, "buckets"
        for purpose in (*PURPOSES.values(), LOGS):
            yield in_region.bucket_name, purpose
    if replica_region:
        yield account.role_name, REPLICATION


def _problem(key: str, value: str, error: RefusedNameError) -> str:
    name = f'{key}: got "{value}", which makes the {error.kind.what} name {error.name}'
    if not error.excess:
        return f"{name}; allowed: at most {error.kind.longest} characters, {error.kind.allowed}"
    fits = len(value) - error.excess
    shorter = f"{fits} in {key}" if fits > 0 else "a shorter region or project"
    return (
        f"{name} of {len(error.name)} characters, {error.excess} too many; allowed: {error.kind.longest}, so {shorter}"
    )

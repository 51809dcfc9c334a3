"""Models: those with an alias verify, and those that should be served are."""

from collections.abc import Mapping
from typing import Any

from local.doctor.checks.objects import MLFLOW, RECONCILER, require, shown
from local.doctor.site import Site
from local.doctor.verdict import NotHereError, ProblemError, Severity


def signatures(site: Site) -> str:
    """Check that every version under an alias verifies."""
    told = site.told("signatures", require(site, MLFLOW))
    aliases = told["aliases"]
    if not aliases:
        raise NotHereError("no version has an alias")
    bad = [each for each in aliases if each["reason"]]
    if bad:
        guarded = any(each["guarded"] for each in bad)
        raise ProblemError(
            f"{len(bad)} of {len(aliases)} versions under an alias don't verify",
            evidence=shown(f"{each['model']}@{each['alias']}: {each['reason']}" for each in bad),
            remedy="release the model again, or move the alias: docs/models.md",
            severity=Severity.ERROR if guarded else Severity.WARNING,
        )
    if unchecked := told["unchecked"]:
        raise ProblemError(
            f"{unchecked} of {len(aliases) + unchecked} versions under an alias were not checked",
            evidence="there are too many",
            remedy="`python -m workloads.signing verify models:/NAME@ALIAS` checks one; remove unused aliases",
            severity=Severity.WARNING,
        )
    return f"{len(aliases)} verify"


def served(site: Site) -> str:
    """Check that the version that is wanted of each model is served, and would be served again."""
    told = site.told("served", require(site, RECONCILER))
    if not told:
        raise NotHereError("no model is to be served")
    # A model whose alias leads nowhere yet has no wanted version.
    other = [each for each in told if each["served_version"] != each["wanted_version"]]
    unverified = [each for each in told if each["served_version"] and not each["verified"]]
    if bad := other or unverified:
        raise ProblemError(
            f"{len(bad)} of {len(told)} models are not served as wanted",
            evidence=shown(f"{each['model']}: {each['state']}, {each['reason']}" for each in bad),
            remedy="docs/operations.md#a-model-is-not-served",
            severity=Severity.WARNING if all(each["served_version"] for each in bad) else Severity.ERROR,
        )
    return shown(_served(each) for each in told)


def _served(model: Mapping[str, Any]) -> str:
    version = model["served_version"]
    return f"{model['model']} version {version}" if version else f"{model['model']} waits: {model['reason']}"

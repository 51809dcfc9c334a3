"""Checks of policy documents with parliament, a linter for IAM policies."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():
    # parliament warns about pkg_resources, which requirements.in keeps for it.
    warnings.simplefilter("ignore")
    import parliament


def findings(document: Mapping[str, Any]) -> list[str]:
    """Return all findings, including minor ones."""
    return [f"{each.issue}: {each.detail}" for each in parliament.analyze_policy_string(json.dumps(document)).findings]

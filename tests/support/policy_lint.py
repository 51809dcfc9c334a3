"""What parliament, a linter of IAM policies, finds in a document."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():
    # It warns of pkg_resources, which requirements.in keeps for it.
    warnings.simplefilter("ignore")
    import parliament


def findings(document: Mapping[str, Any]) -> list[str]:
    """Return its findings, the ones that it thinks minor too."""
    return [f"{each.issue}: {each.detail}" for each in parliament.analyze_policy_string(json.dumps(document)).findings]

"""The entry point: serves all rules to the engine."""

import sys
from pathlib import Path

# Pulumi puts this folder first on the path, where its modules would hide Python's own. Put the repository's root there
# instead, so that modules are imported as everywhere else.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import EnforcementLevel, PolicyPack

from policy.rules import RULES

PolicyPack("aegis", list(RULES), EnforcementLevel.MANDATORY)

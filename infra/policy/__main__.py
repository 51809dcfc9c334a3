"""Wiring only: the pack of all rules, served to the engine."""

import sys
from pathlib import Path

# Pulumi puts this folder on the path; its modules are imported from the repository's root, as everywhere else.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi_policy import EnforcementLevel, PolicyPack

from infra.policy.rules import RULES

PolicyPack("aegis", list(RULES), EnforcementLevel.MANDATORY)

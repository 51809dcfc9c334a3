"""Wiring only: the pack of all rules, served to the engine."""

import sys
from pathlib import Path

# Pulumi puts this folder on the path, where its modules would hide Python's own: the repository's root takes its place.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pulumi_policy import EnforcementLevel, PolicyPack

from policy.rules import RULES

PolicyPack("aegis", list(RULES), EnforcementLevel.MANDATORY)

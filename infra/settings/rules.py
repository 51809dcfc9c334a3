"""The alerts of a stack as groups of rules, the form that Prometheus and its operator share."""

from typing import Any

import contracts
from infra.settings.model import Settings


def rule_groups(settings: Settings) -> list[dict[str, Any]]:
    """Return a group for the recorded series, if there are any, and one for each capability that has alerts."""
    recordings = [recording.rule() for recording in settings.recordings()]
    return [
        *([{"name": f"{contracts.PROJECT}-recordings", "rules": recordings}] if recordings else []),
        *(
            {
                "name": f"{contracts.PROJECT}-{section}",
                "rules": [alert.rule(settings.monitoring.runbook_folder) for alert in alerts],
            }
            for section, alerts in settings.alerts().items()
        ),
    ]

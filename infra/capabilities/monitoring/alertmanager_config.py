"""Alertmanager's configuration: https://prometheus.io/docs/alerting/0.25/configuration/."""

from typing import Any, Final

from infra.capabilities.monitoring.settings import Email, PagerDuty, Receiver, Receivers, Slack, Webhook

SECRETS_FOLDER: Final = "/etc/alertmanager/secrets"
# The receiver of alerts that nobody asked for: they are only shown.
_NOBODY: Final = "nobody"
_REPEAT: Final = {"page": "4h", "ticket": "24h"}
# A fault raises the alerts on its consequences, too. They are sent if they outlast it.
_CAUSES: Final = {
    "DatabaseUnreachable": "Mlflow(Down|PodsUnavailable|Errors|Slow|BudgetBurns.*)",
    "MlflowDown": "Mlflow(PodsUnavailable|Errors|Slow|BudgetBurns.*)",
}
_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook_url }}\n{{ end }}"
)


def configuration(receivers: Receivers) -> dict[str, Any]:
    """Return the configuration of an Alertmanager that sends alerts to `receivers`, each by its severities."""
    by_kind = receivers.all()
    return {
        "route": {
            "receiver": _NOBODY,
            "group_by": ["alertname", "namespace"],
            "group_wait": "30s",
            "group_interval": "5m",
            "routes": [_route(kind, severity) for kind, each in by_kind.items() for severity in each.severities],
        },
        "receivers": [
            {"name": _NOBODY},
            *({"name": kind, f"{kind}_configs": [_sender(kind, each)]} for kind, each in by_kind.items()),
        ],
        "inhibit_rules": [
            {"source_matchers": [f'alertname="{cause}"'], "target_matchers": [f'alertname=~"{effects}"']}
            for cause, effects in _CAUSES.items()
        ],
    }


def _route(kind: str, severity: str) -> dict[str, Any]:
    return {
        "receiver": kind,
        "matchers": [f'severity="{severity}"'],
        "repeat_interval": _REPEAT[severity],
        # Receivers of other kinds get it, too.
        "continue": True,
    }


def _sender(kind: str, receiver: Receiver) -> dict[str, Any]:
    """Return how to reach a receiver. Its secret is a file, which Alertmanager reads anew for each message."""
    file = f"{SECRETS_FOLDER}/{kind}"
    resolved = {"send_resolved": True}
    match receiver:
        case Webhook():
            login = {} if receiver.secret is None else {"authorization": {"credentials_file": file}}
            return {**resolved, "url": receiver.url, **({"http_config": login} if login else {})}
        case Slack():
            channel = {} if receiver.channel is None else {"channel": receiver.channel}
            return {**resolved, "api_url_file": file, **channel, "text": _TEXT}
        case PagerDuty():
            return {**resolved, "routing_key_file": file, "description": "{{ .CommonAnnotations.summary }}"}
        case Email():
            login = {} if receiver.user is None else {"auth_username": receiver.user, "auth_password_file": file}
            return {
                **resolved,
                "to": ", ".join(receiver.to),
                "from": receiver.sender,
                "smarthost": receiver.server,
                **login,
            }
        case _:
            raise TypeError(f"{kind} is not a receiver.")

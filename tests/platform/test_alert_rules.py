"""The image's own promtool and amtool accept the rules and the configurations, and its unit tests of the rules pass."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.capabilities.monitoring import alertmanager_config, prometheus_config
from infra.capabilities.monitoring.settings import Receivers
from infra.limits.flows import MLFLOW_METRICS, STATE_METRICS, VAULT
from infra.limits.scraping import Target
from local import paths
from tests.platform.kubectl import Kubectl
from tests.support import alert_cases

POD = "promtool"
RECEIVERS: dict[str, Any] = {
    "webhook": {"url": "http://alerts.example.com/aegis", "secret": "webhook"},
    "slack": {"secret": "slack", "channel": "#ml"},
    "pagerduty": {"secret": "pagerduty"},
    "email": {
        "to": ["ml@example.com"],
        "sender": "aegis@example.com",
        "server": "smtp.example.com:587",
        "user": "aegis",
        "secret": "mail",
    },
}
TARGETS = (
    Target(job="mlflow", server=MLFLOW_METRICS),
    Target(job="vault", server=VAULT, path="/v1/sys/metrics", parameters={"format": "prometheus"}, keep="vault_.*"),
    Target(job="kube-state-metrics", server=STATE_METRICS, own_labels=True),
)


@pytest.fixture(scope="module")
def tools(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A pod of the image, with the rules and the configurations in /tmp."""
    pod = kubectl.pod(POD)
    pod["spec"]["containers"][0]["image"] = json.loads(paths.images_file().read_text())["monitoring"]
    kubectl.apply(pod)
    kubectl.wait(POD)
    files = {
        "rules.yaml": alert_cases.rules(),
        "tests.yaml": alert_cases.tests("rules.yaml"),
        "prometheus.yaml": yaml.safe_dump(prometheus_config.configuration(TARGETS, "cluster.local")),
        "alertmanager.yaml": yaml.safe_dump(alertmanager_config.configuration(Receivers.model_validate(RECEIVERS))),
    }
    for name, content in files.items():
        kubectl("exec", "--stdin", POD, "--", "sh", "-c", f"cat > /tmp/{name}", stdin=content)
    yield kubectl
    kubectl("delete", "pod", POD, "--timeout=60s")


@pytest.mark.parametrize(
    "command",
    [
        "promtool check rules /tmp/rules.yaml",
        "promtool check config /tmp/prometheus.yaml",
        "amtool check-config /tmp/alertmanager.yaml",
    ],
)
def test_its_checks_pass(tools: Kubectl, command: str) -> None:
    assert "SUCCESS" in tools("exec", POD, "--", *command.split())


def test_each_alert_fires_for_its_fault_and_is_silent_just_below_it(tools: Kubectl) -> None:
    assert "SUCCESS" in tools("exec", POD, "--", "promtool", "test", "rules", "/tmp/tests.yaml")

"""The real CRDs of the Prometheus operator accept the monitors and the rules of a stack."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.capabilities.monitoring.operator import API_VERSION, monitor
from infra.limits.flows import MLFLOW_METRICS, MODELS, STATE_METRICS, VAULT
from infra.limits.scraping import Target
from local import toolchain
from local.toolchain import golang
from tests.platform.kubectl import Kubectl, eventually
from tests.support import alert_cases

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
CRDS = tuple(
    f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml" for kind in ("podmonitors", "prometheusrules")
)
DRY_RUN = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-", "--output=json")
TARGETS = (
    Target(job="mlflow", server=MLFLOW_METRICS),
    Target(job="model-servers", server=MODELS),
    Target(job="vault", server=VAULT, path="/v1/sys/metrics", parameters={"format": "prometheus"}, keep="vault_.*"),
    Target(job="kube-state-metrics", server=STATE_METRICS, own_labels=True),
)


@pytest.fixture(scope="module")
def operated(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The API server with the operator's CRDs, from the sources of its release."""
    command = [golang.find(toolchain.MODULES), "mod", "download", "-json", MODULE]
    result = subprocess.run(command, env=golang.environment(), capture_output=True, text=True, check=True, timeout=300)
    crds = [str(Path(json.loads(result.stdout)["Dir"], crd)) for crd in CRDS]
    for crd in crds:
        kubectl("apply", "--server-side", "--filename", crd)
    # The server takes such objects some moments after it has taken the CRDs.
    for kind, spec in (("PodMonitor", monitor(TARGETS[0])), ("PrometheusRule", {"groups": []})):
        eventually(lambda kind=kind, spec=spec: kubectl(*DRY_RUN, stdin=made(kind, spec), check=False))
    yield kubectl
    for crd in crds:
        kubectl("delete", "--filename", crd, "--timeout=60s")


def made(kind: str, spec: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "aegis"}, "spec": spec})


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.job)
def test_the_crd_accepts_a_monitor_with_all_its_fields(operated: Kubectl, target: Target) -> None:
    found = json.loads(operated(*DRY_RUN, stdin=made("PodMonitor", monitor(target))))["spec"]
    [endpoint], [wanted] = found["podMetricsEndpoints"], monitor(target)["podMetricsEndpoints"]
    assert wanted.items() <= without_defaults(endpoint).items()


def without_defaults(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoint without the action that the CRD adds to a relabeling."""
    relabelings = [{key: value for key, value in each.items() if key != "action"} for each in endpoint["relabelings"]]
    return {**endpoint, "relabelings": relabelings}


def test_the_crd_accepts_the_rules_with_all_their_fields(operated: Kubectl) -> None:
    groups = yaml.safe_load(alert_cases.rules())["groups"]
    found = json.loads(operated(*DRY_RUN, stdin=made("PrometheusRule", {"groups": groups})))
    assert found["spec"]["groups"] == groups

"""KServe's real CRD accepts every InferenceService that the reconciler makes."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local import toolchain
from local.toolchain import golang
from tests.platform.conftest import NAMESPACE
from tests.platform.kubectl import Kubectl, eventually
from workloads.serving.rollout import objects
from workloads.serving.rollout.objects import Servers
from workloads.serving.rollout.site import Site
from workloads.serving.wanted import Resources

MODULE = "github.com/kserve/kserve@v0.15.2"
CRD = "config/crd/full/serving.kserve.io_inferenceservices.yaml"
SITE = Site(namespace=NAMESPACE, image="localhost/aegis/serving:1", tracking_uri="http://mlflow:5000", kserve=True)
SERVERS = Servers(
    model="Digits", version="1", resources=Resources(), replicas=2, track="stable", start=300, content="c" * 64
)
DRY_RUN = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-", "--output=json")
EVERY = {
    "stable, on a volume": SERVERS,
    "stable, by image": replace(SERVERS, image=f"registry.example.com/models@sha256:{'0' * 64}"),
    "canary": replace(SERVERS, track="canary", percent=33),
    "whole cores": replace(SERVERS, resources=Resources(cpu="4", memory="16Gi")),
}


@pytest.fixture(scope="module")
def kserve(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The API server with KServe's CRD, from the sources of its release."""
    command = [golang.find(toolchain.MODULES), "mod", "download", "-json", MODULE]
    result = subprocess.run(command, env=golang.environment(), capture_output=True, text=True, check=True, timeout=300)
    crd = str(Path(json.loads(result.stdout)["Dir"], CRD))
    kubectl("apply", "--server-side", "--filename", crd)
    # The server takes such objects some moments after it has taken the CRD.
    eventually(lambda: kubectl(*DRY_RUN, stdin=json.dumps(objects.servers(SITE, SERVERS)), check=False))
    yield kubectl
    kubectl("delete", "--filename", crd, "--timeout=60s")


@pytest.mark.parametrize("servers", EVERY.values(), ids=EVERY.keys())
def test_the_crd_accepts_the_inference_service_with_all_its_fields(kserve: Kubectl, servers: Servers) -> None:
    wanted = objects.servers(SITE, servers)
    found = json.loads(kserve(*DRY_RUN, stdin=json.dumps(wanted)))
    assert found["spec"] == wanted["spec"]

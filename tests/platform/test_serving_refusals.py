"""What does not verify is served by no way in which a model can be asked for, and the old version answers on."""

import json
from collections.abc import Iterator
from typing import Final

import pytest
from mlflow.entities.model_registry import ModelVersion

import contracts
from contracts import Exit
from infra.capabilities.serving.space import object_name
from tests.platform.gated_platform import running, trusting
from tests.platform.kubectl import Kubectl, eventually
from tests.platform.served_model import SMALL, Served, served_model
from tests.support.local_signer import LocalSigner

# An alias that the tracking server doesn't guard.
TRIAL: Final = "trial"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A model whose alias `trial` is served, as the gateway was asked."""
    with served_model(running(), tmp_path_factory.mktemp("refusals")) as served:
        served.move(served.second, TRIAL)
        deploy(served, alias=TRIAL)
        served.until("serving", served.second, seconds=240)
        yield served


def test_an_unsigned_version_is_not_served(served: Served) -> None:
    unsigned = served.platform.register(served.first, {})
    refused_by_every_way(served, unsigned, "it is not signed")


def test_a_version_whose_files_were_altered_after_signing_is_not_served(served: Served) -> None:
    altered = served.platform.release("0.9", served.folder)
    [key] = [each for each in served.platform.keys(altered) if each.endswith("/model.py")]
    served.platform.write(key, served.platform.read(key).replace(b"0.9", b"0.8"))
    refused_by_every_way(served, altered, "changed")


def test_a_version_of_a_revoked_key_is_not_served(served: Served) -> None:
    with trusting(LocalSigner().public_key().pem, contracts.SERVING_NAMESPACE):
        eventually(lambda: not served.until("serving", served.second)["verified"], seconds=120)
        refused_by_every_way(served, served.first, "signed with a key that isn't trusted")
    eventually(lambda: served.until("serving", served.second)["verified"], seconds=120)


def refused_by_every_way(served: Served, bad: ModelVersion, reason: str) -> None:
    for way in (by_the_gateway, by_the_reconciler, by_the_command_line, by_the_stack):
        print(way.__name__)
        way(served, bad, reason)
        served.until("serving", served.second)


def refused(served: Served, bad: ModelVersion, reason: str) -> None:
    assert reason in served.until("refused", bad)["reason"]
    assert served.answers(1.75)


def by_the_gateway(served: Served, bad: ModelVersion, reason: str) -> None:
    deploy(served, version=bad.version)
    refused(served, bad, reason)
    deploy(served, alias=TRIAL)


def by_the_reconciler(served: Served, bad: ModelVersion, reason: str) -> None:
    """The alias that is followed moves to the version."""
    served.move(bad, TRIAL)
    refused(served, bad, reason)
    served.move(served.second, TRIAL)


def by_the_command_line(served: Served, bad: ModelVersion, reason: str) -> None:
    code, printed = served.command("deploy", f"{served.name}/{bad.version}", *SMALL, "--timeout", "120")
    assert (code, reason in printed) == (Exit.NOT_VERIFIED, True), printed
    refused(served, bad, reason)
    assert served.command("remove", served.name)[0] == Exit.OK


def by_the_stack(served: Served, bad: ModelVersion, reason: str) -> None:
    """Make the ConfigMap that the setting `serving.models` makes."""
    kubectl = Kubectl(contracts.SERVING_NAMESPACE)
    name = f"{contracts.STACK_SOURCE}-{object_name(served.name)}"
    labels = {contracts.WANTED_LABEL: "true", contracts.SOURCE_LABEL: contracts.STACK_SOURCE}
    wanted = json.dumps({"model": served.name, "version": str(bad.version), "replicas": 1})
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels},
            "data": {contracts.WANTED_KEY: wanted},
        }
    )
    try:
        refused(served, bad, reason)
    finally:
        kubectl("delete", "configmap", name)


def deploy(served: Served, **choice: object) -> None:
    resources = {"cpu": "25m", "memory": "512Mi"}
    answer = served.ask("/deploy", {"model_name": served.name, "resources": resources, **choice})
    assert answer.ok, answer.text

"""The objects of a served model: restricted pods without rights, and rollouts that drop no request."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from lightkube import codecs
from lightkube.generic_resource import create_namespaced_resource

from workloads.serving.rollout import objects
from workloads.serving.rollout.objects import Servers
from workloads.serving.rollout.site import Site
from workloads.serving.rollout.situation import CANARY_ROUTE
from workloads.serving.wanted import Resources

SITE = Site(namespace="serving", image="serving:1", tracking_uri="http://mlflow:5000", storage_class="fast")
IMAGES = replace(SITE, delivery="image", repository="registry.example.com/models")
KSERVE = replace(SITE, kserve=True)
SERVERS = Servers(
    model="Digits",
    version="3",
    resources=Resources(cpu="3", memory="2Gi"),
    replicas=2,
    track="stable",
    start=900,
    content="c0",
)

create_namespaced_resource("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")


def everything() -> Iterator[dict[str, Any]]:
    yield objects.volume(SITE, "Digits", "3")
    for site in (SITE, IMAGES):
        yield objects.delivery(site, "Digits", "3", 600)
    for site in (SITE, KSERVE):
        yield objects.servers(site, SERVERS)
        yield objects.servers(site, replace(SERVERS, image="registry.example.com/models@sha256:00", track="canary"))
    yield objects.service(SITE, "Digits", "3")
    yield objects.disruption_budget(SITE, "Digits", "3")


def pod_specs() -> Iterator[dict[str, Any]]:
    for each in everything():
        if "template" in each["spec"]:
            yield each["spec"]["template"]["spec"]
        elif "predictor" in each["spec"]:
            yield each["spec"]["predictor"]


def containers() -> Iterator[dict[str, Any]]:
    for pod in pod_specs():
        yield from [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.mark.parametrize("each", everything(), ids=lambda each: each["kind"])
def test_the_client_accepts_it_without_losing_a_field(each: dict[str, Any]) -> None:
    assert codecs.from_dict(each).to_dict() == each


def test_no_pod_has_a_token_or_root() -> None:
    for pod in pod_specs():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_no_container_writes_to_its_root_or_gains_rights() -> None:
    for container in containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_a_server_starts_only_after_the_files_were_checked() -> None:
    for site in (SITE, KSERVE):
        found = objects.servers(site, SERVERS)["spec"]
        pod = found["predictor"] if site.kserve else found["template"]["spec"]
        [verify] = pod["initContainers"]
        assert verify["command"][2:] == [
            "workloads.serving.server.check", "/models/model", "--name=Digits", "--content", "c0",
        ]  # fmt: skip
        assert verify["env"] == [{"name": "AEGIS_TRUSTED_KEYS", "value": "/etc/aegis/signing-keys"}]


def test_a_name_stays_as_it_is_in_every_command() -> None:
    name = "-$(HOME) $$"
    for site in (SITE, IMAGES):
        pods = (
            objects.servers(site, replace(SERVERS, model=name))["spec"]["template"]["spec"],
            objects.delivery(site, name, "3", 600)["spec"]["template"]["spec"],
        )
        for container in (each for pod in pods for each in (*pod.get("initContainers", ()), *pod["containers"])):
            # As the kubelet does: $$ is a $, and only a single one begins a variable.
            command = [part.replace("$$", "\0") for part in container["command"]]
            assert not any("$(" in part for part in command)
            read = [part.replace("\0", "$") for part in command]
            assert f"--name={name}" in read or read[-3:] == ["--", name, "3"]


def test_servers_read_their_files_and_write_none() -> None:
    pod = objects.servers(SITE, SERVERS)["spec"]["template"]["spec"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {
        "claimName": "model-digits-9cd500d3d69fb10a-v3",
        "readOnly": True,
    }
    mounts = [mount for each in (*pod["initContainers"], *pod["containers"]) for mount in each["volumeMounts"]]
    assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == ["/tmp", "/tmp"]


def test_a_version_with_its_own_image_needs_no_volume() -> None:
    image = "registry.example.com/models@sha256:00"
    pod = objects.servers(IMAGES, replace(SERVERS, image=image))["spec"]["template"]["spec"]
    assert {each["image"] for each in (*pod["initContainers"], *pod["containers"])} == {image}
    assert [volume["name"] for volume in pod["volumes"]] == ["signing-keys", "tmp"]


def test_a_stopping_server_has_time_to_finish() -> None:
    pod = objects.servers(SITE, SERVERS)["spec"]["template"]["spec"]
    command = pod["containers"][0]["command"]
    drain, request = (int(command[command.index(option) + 1]) for option in ("--drain", "--timeout"))
    assert pod["terminationGracePeriodSeconds"] > drain + request


def test_a_server_may_take_the_whole_time_of_a_start() -> None:
    pod = objects.servers(SITE, SERVERS)["spec"]["template"]["spec"]
    probe = pod["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 900


def test_a_changed_deployment_starts_new_servers_before_it_stops_old_ones() -> None:
    spec = objects.servers(SITE, SERVERS)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] > 0


def test_a_delivery_that_does_not_verify_is_not_tried_again() -> None:
    spec = objects.delivery(SITE, "Digits", "3", 60)["spec"]
    assert spec["podFailurePolicy"]["rules"][0] == {
        "action": "FailJob",
        "onExitCodes": {"operator": "In", "values": [2, 4]},
    }
    assert spec["activeDeadlineSeconds"] == 60


def test_a_delivery_by_image_pushes_what_was_verified() -> None:
    pod = objects.delivery(IMAGES, "Digits", "3", 600)["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["command"][2:] == [
        "workloads.serving.delivery",
        "--to",
        "/models",
        "--",
        "Digits",
        "3",
    ]
    assert pod["containers"][0]["command"][4:] == [
        "workloads.serving.oci", "/models", "--base", "serving:1", "--to", "registry.example.com/models",
        "--name=Digits", "--version", "3",
    ]  # fmt: skip


def test_a_delivery_by_image_has_room_for_the_files_on_its_node() -> None:
    pod = objects.delivery(replace(IMAGES, volume_size="20Gi"), "Digits", "3", 600)["spec"]["template"]["spec"]
    assert pod["volumes"][0] == {"name": "model", "emptyDir": {"sizeLimit": "20Gi"}}
    for container in (*pod["initContainers"], *pod["containers"]):
        for side in ("requests", "limits"):
            assert container["resources"][side]["ephemeral-storage"] == "20Gi"


def test_a_delivery_to_a_volume_needs_no_room_on_its_node() -> None:
    pod = objects.delivery(replace(SITE, volume_size="20Gi"), "Digits", "3", 600)["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"]["ephemeral-storage"] == "64Mi"


def test_the_service_selects_one_version_or_the_opened_pods() -> None:
    shared = {"aegis.serving/model": "digits-9cd500d3d69fb10a", "aegis.serving/part": "server"}
    stable = objects.service(SITE, "Digits", "3")["spec"]["selector"]
    assert stable == shared | {"aegis.serving/version": "3"}
    canary = objects.service(SITE, "Digits", CANARY_ROUTE)["spec"]["selector"]
    assert canary == shared | {"aegis.serving/traffic": "open"}


def test_whether_a_version_is_a_canary_restarts_no_pod() -> None:
    stable, canary = (objects.servers(SITE, replace(SERVERS, track=track)) for track in ("stable", "canary"))
    assert stable["spec"] == canary["spec"]


def test_kserve_runs_the_same_pod_in_raw_mode() -> None:
    found = objects.servers(KSERVE, replace(SERVERS, track="canary", percent=33))
    assert found["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"
    predictor = found["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"], predictor["canaryTrafficPercent"]) == (2, 2, 33)
    assert predictor["containers"][0]["name"] == "kserve-container"
    assert predictor["labels"]["aegis.serving/version"] == "3"

"""What the objects in the cluster say."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from workloads.serving.rollout import objects
from workloads.serving.rollout.objects import Servers
from workloads.serving.rollout.observation import observe
from workloads.serving.rollout.site import Site
from workloads.serving.rollout.situation import Observed, Pod, Version
from workloads.serving.wanted import Resources


def labels(part: str | None = None, **more: str) -> dict[str, str]:
    found = {"aegis.serving/model": "digits", "aegis.serving/version": "1"}
    return found | ({"aegis.serving/part": part} if part else {}) | more


def named(kind: str, part: str | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": "digits-v1", "labels": labels(part), "generation": 2}
    return {"kind": kind, "metadata": metadata | fields.pop("metadata", {}), **fields}


def job(*conditions: str, message: str = "", image: bool = False) -> dict[str, Any]:
    volumes = [{"name": "model", **({"emptyDir": {}} if image else {"persistentVolumeClaim": {"claimName": "x"}})}]
    status = {"conditions": [{"type": each, "status": "True", "message": message} for each in conditions]}
    return named("Job", spec={"template": {"spec": {"volumes": volumes}}}, status=status)


def ended(code: int, message: str = "", *, part: str = "delivery", name: str = "deliver") -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "message": message}}
    return named("Pod", part, status={"containerStatuses": [{"name": name, "restartCount": 1, "state": state}]})


def evicted(message: str) -> dict[str, Any]:
    pod = ended(137)
    return pod | {"status": pod["status"] | {"reason": "Evicted", "message": message}}


VOLUME = named("PersistentVolumeClaim")


def version(*objects: dict[str, Any]) -> Version:
    return observe(objects)["digits"].versions["1"]


@pytest.mark.parametrize(
    ("objects", "delivery", "reason"),
    [
        ([job(), VOLUME], "running", ""),
        ([job("Complete"), VOLUME], "done", ""),
        ([job("Complete")], "none", ""),
        ([VOLUME], "none", ""),
        ([job("Complete"), named("PersistentVolumeClaim", metadata={"deletionTimestamp": "now"})], "none", ""),
        ([job("Complete", image=True), ended(0, "models@sha256:00", name="push")], "done", ""),
        ([job("Complete", image=True)], "failed", "its pod is gone, which named the image"),
        ([job("Failed", message="too late"), VOLUME], "failed", "too late"),
        ([job("Failed"), VOLUME, ended(6, "INFO a\nerror: MLflow is dead\n")], "failed", "MLflow is dead"),
        ([job("Failed", image=True), evicted("usage exceeds the limit")], "failed", "usage exceeds the limit"),
        ([job("Failed"), VOLUME, ended(6), ended(2, "error: it needs x==1")], "impossible", "it needs x==1"),
        ([job("Failed"), VOLUME, ended(2, "error: " + "x" * 1990)], "impossible", "x" * 1990),
        ([job("Failed"), VOLUME, ended(6), ended(4, "error: it was changed")], "refused", "it was changed"),
    ],
)
def test_how_far_a_delivery_is(objects: list[dict[str, Any]], delivery: str, reason: str) -> None:
    found = version(*objects)
    assert (found.delivery, found.reason) == (delivery, reason)


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No victims found.",
}


def test_a_pod_without_a_node_says_why() -> None:
    pod = named("Pod", "server", status={"conditions": [UNSCHEDULED]})
    assert version(pod).pods[0].waiting == "0/1 nodes are available: 1 Insufficient cpu"
    long = UNSCHEDULED | {"message": "x" * 5000}
    assert version(named("Pod", "server", status={"conditions": [long]})).pods[0].waiting == "x" * 200


def test_a_delivery_that_waits_says_for_what() -> None:
    pod = named("Pod", "delivery", status={"conditions": [UNSCHEDULED]})
    found = version(job(), VOLUME, pod)
    assert (found.delivery, found.reason) == ("running", "0/1 nodes are available: 1 Insufficient cpu")


def test_a_delivery_by_image_says_which() -> None:
    pod = ended(0, "registry.example.com/models@sha256:00\n", name="push")
    assert version(pod).image == "registry.example.com/models@sha256:00"


def test_servers_tell_what_they_serve() -> None:
    site = Site(namespace="serving", image="serving:1", tracking_uri="http://mlflow:5000")
    for kserve in (False, True):
        wanted = Servers(
            model="digits",
            version="1",
            resources=Resources(),
            replicas=2,
            track="canary",
            start=300,
            image="x@sha256:00",
        )
        of = partial(objects.servers, replace(site, kserve=kserve))
        own = version(of(wanted))
        assert (own.image, own.content, own.track) == ("x@sha256:00", None, "canary")
        delivered = version(of(replace(wanted, image=None, content="c" * 64)))
        assert (delivered.image, delivered.content) == (None, "c" * 64)


@pytest.mark.parametrize(("seen", "available"), [(2, 3), (1, 0)])
def test_servers_count_only_if_they_are_of_the_present_deployment(seen: int, available: int) -> None:
    status = {"observedGeneration": seen, "availableReplicas": 4, "updatedReplicas": 3}
    found = version(named("Deployment", spec={"replicas": 3}, status=status))
    assert (found.replicas, found.available) == (3, available)


def test_servers_of_kserve_are_its_ready_pods() -> None:
    pod = named("Pod", "server", status={"conditions": [{"type": "Ready", "status": "True"}]})
    found = version(named("InferenceService", spec={"predictor": {"minReplicas": 2}}), pod)
    assert (found.replicas, found.available) == (2, 1)


def test_a_pod_tells_its_state() -> None:
    pod = named(
        "Pod",
        metadata={"labels": labels("server") | {"aegis.serving/traffic": "open"}},
        status={
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "server", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
            ],
        },
    )
    assert version(pod).pods == (
        Pod(name="digits-v1", address="10.0.0.1", ready=True, open=True, restarts=3, waiting="CrashLoopBackOff"),
    )


ENDED = {"exitCode": 2, "reason": "Error", "message": "INFO loading\nerror: it needs x==1\n"}


@pytest.mark.parametrize(
    ("container", "waiting"),
    [
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDED}}, "it needs x==1"),
        ({"state": {"terminated": ENDED}}, "it needs x==1"),
        ({"state": {"running": {}}, "lastState": {"terminated": ENDED}, "ready": False}, "it needs x==1"),
        ({"state": {"running": {}}, "lastState": {"terminated": ENDED}, "ready": True}, None),
        ({"state": {"terminated": {"exitCode": 0}}}, None),
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {"terminated": ENDED}},
            "ImagePullBackOff",
        ),
        ({"state": {"waiting": {"reason": "PodInitializing"}}}, None),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, "CrashLoopBackOff"),
        (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "WARNING slow"}}},
            "OOMKilled: WARNING slow",
        ),
        ({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "OOMKilled"),
        ({"state": {"terminated": {"exitCode": 1}}}, "exit code 1"),
    ],
)
def test_a_server_that_ended_says_why(container: dict[str, Any], waiting: str | None) -> None:
    pod = named("Pod", "server", status={"containerStatuses": [{"name": "server", **container}]})
    assert version(pod).pods[0].waiting == waiting


def test_files_that_do_not_verify_are_seen_after_the_check_was_restarted() -> None:
    status = {
        "initContainerStatuses": [
            {"name": "verify", "restartCount": 1, "state": {}, "lastState": {"terminated": {"exitCode": 4}}}
        ]
    }
    assert version(named("Pod", "server", status=status)).pods[0].check_refused


def test_a_stopping_pod_is_no_server() -> None:
    pod = named("Pod", metadata={"labels": labels("server"), "deletionTimestamp": "now"})
    assert version(pod).pods == ()


@pytest.mark.parametrize(
    ("selector", "route"),
    [({"aegis.serving/version": "1"}, "1"), ({"aegis.serving/traffic": "open"}, "canary"), ({"app": "x"}, None)],
)
def test_the_service_tells_the_route(selector: dict[str, str], route: str | None) -> None:
    service = named("Service", metadata={"name": "digits"}, spec={"selector": selector})
    assert observe([service]) == {"digits": Observed(route=route)}


def test_a_service_of_kserve_is_no_route() -> None:
    assert observe([named("Service", spec={"selector": {"app": "x"}})])["digits"].route is None


def test_objects_of_nobody_are_not_seen() -> None:
    assert observe([{"kind": "Pod", "metadata": {"name": "x"}}]) == {}

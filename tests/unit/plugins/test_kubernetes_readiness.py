"""Readiness checks of Kubernetes objects, and the wait."""

import threading
from typing import Any

import pytest

from local.plugins.kubernetes.client import ApiError, Object
from local.plugins.kubernetes.readiness import custom, others, pods, wait, workloads
from local.plugins.kubernetes.readiness.verdict import ready, waiting
from local.plugins.kubernetes.readiness.wait import NeverReadyError, Patience
from local.plugins.provider import PluginError


class FakeClient:
    """Answers by the end of a path. A list is a sequence of answers, of which the last repeats."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.requests = []

    def get(self, path: str, **query: str) -> Object:
        self.requests.append((path, query))
        return self._answer(path)

    def text(self, path: str, **query: str) -> str:
        return self._answer(path)

    def _answer(self, path: Any) -> Any:
        for key, answer in self.answers.items():
            if path.endswith(key):
                answers = answer if isinstance(answer, list) else [answer]
                current = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(current, Exception):
                    raise current
                return current
        return {"items": []}


NO_OTHERS = FakeClient()


def deployment(
    replicas: int = 2, updated: int = 2, available: int = 2, reason: str = "NewReplicaSetAvailable", observed: int = 3
) -> Any:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 3},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}},
        "status": {
            "observedGeneration": observed,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "conditions": [
                {"type": "Available", "status": "True" if available >= replicas else "False"},
                {"type": "Progressing", "status": "True", "reason": reason, "message": "so it goes"},
            ],
        },
    }


def test_a_deployment_is_ready_when_its_newest_revision_is_rolled_out() -> None:
    assert workloads.deployment(deployment(), NO_OTHERS).ready
    assert not workloads.deployment(deployment(observed=2), NO_OTHERS).ready
    assert not workloads.deployment(deployment(updated=1), NO_OTHERS).ready
    assert not workloads.deployment(deployment(reason="ReplicaSetUpdated"), NO_OTHERS).ready
    assert workloads.deployment(deployment(replicas=0, updated=0, available=0), NO_OTHERS).ready


def test_a_deployment_past_its_deadline_fails_with_the_reason() -> None:
    bad = {
        "metadata": {"name": "web-1", "namespace": "shop"},
        "status": {
            "containerStatuses": [
                {"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
            ]
        },
    }
    client = FakeClient(pods={"items": [bad]})
    verdict = workloads.deployment(deployment(available=0, reason="ProgressDeadlineExceeded"), client)
    assert verdict.failed
    assert verdict.details == ("pod web-1: web: ImagePullBackOff: no such image",)
    assert client.requests == [("/api/v1/namespaces/shop/pods", {"labelSelector": "app=web"})]


def stateful_set(ready_replicas: int = 2, updated: int = 2, current: str = "b", **strategy: Any) -> Any:
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 2, "updateStrategy": strategy},
        "status": {
            "observedGeneration": 1,
            "readyReplicas": ready_replicas,
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": "b",
        },
    }


def test_a_stateful_set_is_ready_when_all_replicas_are_at_the_newest_revision() -> None:
    assert workloads.stateful_set(stateful_set(), NO_OTHERS).ready
    assert not workloads.stateful_set(stateful_set(ready_replicas=1), NO_OTHERS).ready
    assert not workloads.stateful_set(stateful_set(updated=1, current="a"), NO_OTHERS).ready
    assert workloads.stateful_set(stateful_set(updated=1, current="a", rollingUpdate={"partition": 1}), NO_OTHERS).ready
    assert workloads.stateful_set(stateful_set(updated=0, current="a", type="OnDelete"), NO_OTHERS).ready


def job(*conditions: Any) -> Any:
    return {
        "kind": "Job",
        "metadata": {"name": "train", "namespace": "shop"},
        "spec": {},
        "status": {"active": 1, "conditions": [{"status": "True", **each} for each in conditions]},
    }


def test_a_job_is_ready_when_it_has_completed() -> None:
    assert not workloads.job(job(), NO_OTHERS).ready
    assert workloads.job(job({"type": "Complete"}), NO_OTHERS).ready


def test_a_failed_job_is_reported_with_the_end_of_its_pods_log() -> None:
    pod = {
        "metadata": {"name": "train-x", "namespace": "shop"},
        "spec": {"containers": [{"name": "train"}]},
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": "train", "state": {"terminated": {"exitCode": 3}}}],
        },
    }
    client = FakeClient(pods={"items": [pod]}, log="loading\nout of memory\n")
    failure = {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "reached the limit"}
    verdict = workloads.job(job(failure), client)
    assert verdict.failed
    assert "BackoffLimitExceeded" in verdict.message
    assert "out of memory" in verdict.details[0]


def test_a_pod_is_ready_when_its_containers_are_or_it_has_succeeded() -> None:
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert pods.pod(running, NO_OTHERS).ready
    assert pods.pod({"status": {"phase": "Succeeded"}}, NO_OTHERS).ready
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
    verdict = pods.pod({"status": {"phase": "Pending", "conditions": [unscheduled]}}, NO_OTHERS)
    assert verdict.message == "Unschedulable: no node"


def service(**spec: Any) -> Any:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}, **spec}}


def test_a_service_waits_for_an_endpoint_unless_it_cant_have_one() -> None:
    endpoints = FakeClient(endpointslices={"items": [{"endpoints": [{"conditions": {"ready": True}}]}]})
    unready = FakeClient(endpointslices={"items": [{"endpoints": [{"conditions": {"ready": False}}]}]})
    assert others.service(service(), endpoints).ready
    assert not others.service(service(), unready).ready
    assert others.service(service(clusterIP="None"), unready).ready
    assert others.service(service(selector=None), unready).ready
    assert others.service(service(type="ExternalName"), unready).ready
    assert not others.service(service(type="LoadBalancer"), endpoints).ready


def test_a_claim_is_ready_when_bound_or_when_its_class_waits_for_a_pod() -> None:
    claim = {"spec": {"storageClassName": "local"}, "status": {"phase": "Pending"}}
    assert others.volume_claim(claim | {"status": {"phase": "Bound"}}, NO_OTHERS).ready
    assert others.volume_claim(claim, FakeClient(local={"volumeBindingMode": "WaitForFirstConsumer"})).ready
    assert not others.volume_claim(claim, FakeClient(local={"volumeBindingMode": "Immediate"})).ready
    assert not others.volume_claim(claim, FakeClient(local=ApiError(404, {}))).ready


def test_every_custom_condition_must_be_met() -> None:
    look = custom.check('["condition=Ready", "jsonpath={.status.phase}=Running", "jsonpath={.status.ports[0].n}"]')
    live = {"status": {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running", "ports": [{"n": 1}]}}
    assert look(live, NO_OTHERS).ready
    live["status"]["phase"] = "Pending"
    assert look(live, NO_OTHERS).message == "waiting for jsonpath={.status.phase}=Running"


def test_an_invalid_expression_is_refused() -> None:
    with pytest.raises(PluginError, match=r"status\.phase"):
        custom.check("status.phase=Running")


def test_skip_await_disables_the_check() -> None:
    inputs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}
    assert wait.check_for(inputs) is workloads.deployment
    assert wait.check_for(inputs | {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}) is None
    assert wait.check_for({"apiVersion": "v1", "kind": "Namespace"}) is None


def test_the_custom_timeout_precedes_the_annotation_and_the_default() -> None:
    annotated = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "30"}}}
    assert wait.seconds(annotated, 5) == 5
    assert wait.seconds(annotated, 0) == 30
    assert wait.seconds({}, 0) == 600


def patience(seconds: float = 5.0, interrupted: threading.Event | None = None) -> Any:
    reports = []
    return Patience(seconds=seconds, interrupted=interrupted or threading.Event(), report=reports.append), reports


def live(n: int) -> Any:
    return {"kind": "Thing", "metadata": {"name": "x", "uid": "1"}, "n": n}


def counting(thing: Object, _client: object) -> Any:
    return ready() if thing["n"] == 3 else waiting(f"at {thing['n']}")


def test_an_object_is_polled_until_it_is_ready() -> None:
    limits, reports = patience()
    client = FakeClient(x=[live(1), live(2), live(3)])
    assert wait.until_ready(client, "/x", live(0), counting, limits)["n"] == 3
    assert reports == ["Thing x: at 1", "Thing x: at 2"]


def test_an_object_that_isnt_ready_in_time_is_reported_with_its_last_state() -> None:
    limits, _ = patience(seconds=0.2)
    with pytest.raises(NeverReadyError, match=r"not done after 0 s: at 1") as caught:
        wait.until_ready(FakeClient(x=live(1)), "/x", live(0), counting, limits)
    assert caught.value.live == live(1)


def test_a_wait_ends_when_the_user_interrupts() -> None:
    interrupted = threading.Event()
    interrupted.set()
    limits, _ = patience(seconds=60, interrupted=interrupted)
    with pytest.raises(NeverReadyError, match="interrupted"):
        wait.until_ready(FakeClient(x=live(1)), "/x", live(0), counting, limits)


def test_a_deletion_during_the_wait_is_an_error() -> None:
    limits, _ = patience()
    with pytest.raises(NeverReadyError, match="was deleted during the wait") as caught:
        wait.until_ready(FakeClient(x=[live(1), ApiError(404, {})]), "/x", live(0), counting, limits)
    assert caught.value.live is None


def test_a_deletion_is_complete_when_the_object_is_gone_or_replaced() -> None:
    limits, reports = patience()
    held = live(1) | {"metadata": {"name": "x", "uid": "1", "finalizers": ["foregroundDeletion"]}}
    wait.until_gone(FakeClient(x=[held, ApiError(404, {})]), "/x", live(0), limits)
    assert reports == ["Thing x: being deleted, held by foregroundDeletion"]
    other = {"kind": "Thing", "metadata": {"name": "x", "uid": "2"}}
    wait.until_gone(FakeClient(x=[held, other]), "/x", live(0), limits)


def test_a_deletion_that_hangs_is_an_error() -> None:
    limits, _ = patience(seconds=0.2)
    with pytest.raises(NeverReadyError, match="still being deleted"):
        wait.until_gone(FakeClient(x=live(1)), "/x", live(0), limits)

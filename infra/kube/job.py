"""Jobs that are part of an update: Pulumi makes them, waits until they are done, and fails where they fail."""

from collections.abc import Sequence
from typing import Final

import pulumi
from pulumi_kubernetes.batch.v1 import Job, JobSpecArgsDict
from pulumi_kubernetes.core.v1 import PodSpecArgsDict
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

import contracts
from infra.kube.pods import labels

# Seconds that Kubernetes may take to report the end of a Job that ran into its deadline.
_REAPING: Final = 60
_RETRIES: Final = 3
_RUNS_AFTER: Final = f"{contracts.PROJECT}/runs-after"


def job_spec(
    component: str,
    pod: PodSpecArgsDict,
    *,
    retries: int,
    deadline: int,
    runs_after: pulumi.Input[str] | None = None,
) -> JobSpecArgsDict:
    """Return the spec of a Job that runs `pod` once, at most `retries` times more, and `deadline` seconds in all."""
    return {
        "backoff_limit": retries,
        "active_deadline_seconds": deadline,
        "template": {
            "metadata": _pod_metadata(component, runs_after),
            "spec": {**pod, "restart_policy": "Never"},
        },
    }


def run_once(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    pod: PodSpecArgsDict,
    *,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
    deadline: int = 600,
    runs_after: pulumi.Input[str] | None = None,
) -> Job:
    """Make a Job that runs once, and again only after its spec (or a Secret that it reads) has changed.

    `runs_after` is the generated name of another Job: each new one of that makes a new one of this.

    The Job's own name is generated, too: a pod template can't be changed in place, and the next Job runs before the
    last one and its log go. It has no time to live, as one that deletes itself would come back with every update.
    """
    return Job(
        name,
        metadata={
            "namespace": namespace,
            "labels": labels(component),
            # A Job that failed for good is replaced by the next update, instead of being waited for again.
            "annotations": {"pulumi.com/replaceUnready": "true"},
        },
        spec=job_spec(component, pod, retries=_RETRIES, deadline=deadline, runs_after=runs_after),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            # Wait as long as Kubernetes lets the Job run, and a little more for its last pod to be reaped.
            custom_timeouts=pulumi.CustomTimeouts(create=f"{deadline + _REAPING}s", update=f"{deadline + _REAPING}s"),
        ),
    )


def _pod_metadata(component: str, runs_after: pulumi.Input[str] | None) -> ObjectMetaArgsDict:
    if runs_after is None:
        return {"labels": labels(component)}
    return {"labels": labels(component), "annotations": {_RUNS_AFTER: runs_after}}

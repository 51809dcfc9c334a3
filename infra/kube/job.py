"""Jobs that run during an update or on a schedule.

Pulumi waits until a Job of an update is done, and the update fails if the Job fails.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi
from pulumi_kubernetes.batch.v1 import CronJobSpecArgsDict, Job, JobSpecArgsDict
from pulumi_kubernetes.core.v1 import PodSpecArgsDict
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

import contracts
from infra.kube.network_policy import allow
from infra.kube.pods import labels
from infra.limits.flows import Traffic

# Seconds in which Kubernetes reports the end of a Job that exceeded its deadline.
_REAPING: Final = 60
_RETRIES: Final = 3
_CRON_RETRIES: Final = 2
_RUNS_AFTER: Final = f"{contracts.PROJECT}/runs-after"


def job_spec(
    component: str,
    pod: PodSpecArgsDict,
    *,
    retries: int,
    deadline: int,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> JobSpecArgsDict:
    """Return the spec of a Job that runs `pod`, with at most `retries` retries and `deadline` seconds in all."""
    return {
        "backoff_limit": retries,
        "active_deadline_seconds": deadline,
        "template": {
            "metadata": _pod_metadata(component, annotations),
            "spec": {**pod, "restart_policy": "Never"},
        },
    }


def cron_job_spec(
    component: str,
    pod: PodSpecArgsDict,
    schedule: str,
    *,
    start_within: int,
    deadline: int,
    suspended: bool = False,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> CronJobSpecArgsDict:
    """Return the spec of a CronJob that runs `pod`, one Job at a time, with two retries.

    `schedule` has cron's five fields, in UTC. `start_within` and `deadline` are in seconds: a Job that can't start
    within `start_within` of its time waits for the next one. `annotations` are those of the pods.
    """
    return {
        "schedule": schedule,
        "time_zone": "Etc/UTC",
        "concurrency_policy": "Forbid",
        "starting_deadline_seconds": start_within,
        "successful_jobs_history_limit": 3,
        "failed_jobs_history_limit": 3,
        "suspend": suspended,
        "job_template": {
            "metadata": {"labels": labels(component)},
            "spec": job_spec(component, pod, retries=_CRON_RETRIES, deadline=deadline, annotations=annotations),
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
    """Make a Job that runs once, and again only after its spec or a Secret that it reads has changed.

    `deadline` is in seconds. `runs_after` is the generated name of another Job: this Job runs again after each new run
    of that one.

    The name of the Job is generated too, because a pod template can't be changed in place: a new Job runs before the
    previous one and its log are deleted. The Job has no time to live, because every update would recreate a Job that
    deleted itself.
    """
    return Job(
        name,
        metadata={
            "namespace": namespace,
            "labels": labels(component),
            # The next update replaces a Job that has failed for good, instead of waiting for it again.
            "annotations": {"pulumi.com/replaceUnready": "true"},
        },
        spec=job_spec(
            component,
            pod,
            retries=_RETRIES,
            deadline=deadline,
            annotations=None if runs_after is None else {_RUNS_AFTER: runs_after},
        ),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            # Wait as long as Kubernetes lets the Job run, and until it has reported the end.
            custom_timeouts=pulumi.CustomTimeouts(create=f"{deadline + _REAPING}s", update=f"{deadline + _REAPING}s"),
        ),
    )


def run_connected(
    name: str,
    verb: str,
    namespace: pulumi.Input[str],
    pod: PodSpecArgsDict,
    traffic: Traffic,
    *,
    parent: pulumi.Resource,
    deadline: int = 600,
    runs_after: pulumi.Input[str] | None = None,
) -> Job:
    """Make the Job `NAME-VERB` as `run_once` does, and the NetworkPolicy `NAME-traffic` of its pods."""
    policy = allow(f"{name}-traffic", namespace, traffic, pulumi.ResourceOptions(parent=parent))
    return run_once(
        f"{name}-{verb}",
        namespace,
        traffic.pods.component,
        pod,
        parent=parent,
        # Until the policy allows its connections, the Job could only use up its retries.
        depends_on=[policy],
        deadline=deadline,
        runs_after=runs_after,
    )


def _pod_metadata(component: str, annotations: Mapping[str, pulumi.Input[str]] | None) -> ObjectMetaArgsDict:
    if annotations is None:
        return {"labels": labels(component)}
    return {"labels": labels(component), "annotations": annotations}

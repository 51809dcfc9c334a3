"""The Job that turns the best run into a signed, verified and registered model version."""

from dataclasses import dataclass
from typing import Final, Literal

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import ContainerArgsDict, EnvFromSourceArgsDict, PodSpecArgsDict

from infra.capabilities.release.settings import PODS
from infra.kube.job import run_connected
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, environment, pod
from infra.kube.signer_pod import bucket_keys, signer_environment, with_vault
from infra.limits.flows import Traffic
from infra.limits.quantities import mebibytes
from infra.links import Bucket, Identity, VaultLogin

COMPONENT: Final = PODS.component

_RESOURCES: Final = Resources(cpu="50m", memory="256Mi", cpu_limit="2", memory_limit="1Gi")
_LEAST_TMP_SIZE: Final = "8Gi"
# The model and its archive.
_COPIES: Final = 2
# Seconds.
_DEADLINE: Final = 1800


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseArgs:
    """Arguments of `Release`.

    `trainer_job` is the name of the Job that logs the runs to choose from. A new trainer Job leads to a new release.
    `largest_artifact` is the size of the largest model, such as 1Gi.
    """

    namespace: pulumi.Input[str]
    image: str
    tracking_uri: str
    vault: VaultLogin
    trainer_job: pulumi.Input[str]
    identity: Identity
    bucket: Bucket
    traffic: Traffic
    experiment: str
    metric: str
    goal: Literal["maximize", "minimize"]
    model_name: str
    largest_artifact: str


class Release(pulumi.ComponentResource):
    """The Job that releases a model. The termination message of its pod is the result, as JSON."""

    job: Job

    def __init__(self, name: str, args: ReleaseArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:jobs:Release", name, {}, opts)
        child = ResourceOptions(parent=self)
        self.job = run_connected(
            name,
            "run",
            args.namespace,
            with_access(_pod(name, args, child), identity=args.identity),
            args.traffic,
            parent=self,
            deadline=_DEADLINE,
            runs_after=args.trainer_job,
        )
        self.register_outputs({"job": self.job.metadata.name})


def _pod(name: str, args: ReleaseArgs, opts: ResourceOptions) -> PodSpecArgsDict:
    keys = bucket_keys(name, args.namespace, COMPONENT, args.bucket, opts)
    main = pod(_container(args, keys), tmp_size=_tmp_size(args.largest_artifact))
    return with_vault(main, name, args.namespace, COMPONENT, args.vault, opts)


def _tmp_size(largest_artifact: str) -> str:
    return max(_LEAST_TMP_SIZE, f"{_COPIES * mebibytes(largest_artifact)}Mi", key=mebibytes)


def _container(args: ReleaseArgs, keys: list[EnvFromSourceArgsDict]) -> ContainerArgsDict:
    return {
        **container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=["python", "-m", "workloads.release.run"],
            args=[
                # With `=`, as a separate value that starts with a hyphen would be parsed as an option.
                f"--experiment-name={args.experiment}",
                *(f"--metric={args.metric}", f"--{args.goal}"),
                f"--model-name={args.model_name}",
            ],
            env=environment(signer_environment(args.tracking_uri, args.vault, args.bucket)),
            env_from=keys,
        ),
        "termination_message_path": "/dev/termination-log",
        # If the Job fails before it writes a result, the last lines of its log say why.
        "termination_message_policy": "FallbackToLogsOnError",
    }

"""The trainer: a Job that trains a model and logs it to MLflow while the stack is updated."""

from dataclasses import dataclass, replace
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.batch.v1 import Job

import contracts
from infra.capabilities.training.placement import Placement, placed
from infra.capabilities.training.settings import PODS
from infra.kube.job import run_connected
from infra.kube.pod_access import with_access
from infra.kube.pods import SHARED_MEMORY_MOUNT, Resources, container, environment, pod, shared_memory
from infra.limits.flows import Traffic
from infra.links import Identity

COMPONENT: Final = PODS.component

# Small requests, so that it fits on a node of two CPUs beside the platform; higher limits, to use idle capacity.
_RESOURCES: Final = Resources(cpu="100m", memory="512Mi", cpu_limit="2", memory_limit="4Gi")
_TMP_SIZE: Final = "4Gi"
# For tensors that the trainer's processes and data loaders share.
_SHARED_MEMORY: Final = "1Gi"
# Seconds.
_DEADLINE: Final = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerArgs:
    """Arguments of `Trainer`; `tracking_uri` is the tracking server's URL."""

    namespace: pulumi.Input[str]
    image: str
    tracking_uri: str
    experiment: str
    epochs: int
    register_models: bool
    placement: Placement
    traffic: Traffic
    identity: Identity | None = None


class Trainer(pulumi.ComponentResource):
    """The Job that trains a model. It runs again only if its image or its arguments change."""

    job: Job

    def __init__(self, name: str, args: TrainerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:jobs:Trainer", name, {}, opts)
        main = container(
            COMPONENT,
            args.image,
            replace(_RESOURCES, gpus=args.placement.gpus),
            command=["python", "-m", "workloads.training.train_deepspeed"],
            args=_options(args),
            env=environment({contracts.Env.TRACKING_URI: args.tracking_uri}),
            mounts=[SHARED_MEMORY_MOUNT],
        )
        self.job = run_connected(
            name,
            "run",
            args.namespace,
            with_access(
                placed(pod(main, tmp_size=_TMP_SIZE, volumes=[shared_memory(_SHARED_MEMORY)]), args.placement),
                identity=args.identity,
            ),
            args.traffic,
            parent=self,
            deadline=_DEADLINE,
        )
        self.register_outputs({})


def _options(args: TrainerArgs) -> list[str]:
    options = ["--out-dir", "/tmp/out", "--max-epochs", str(args.epochs), f"--experiment-name={args.experiment}"]  # noqa: S108
    return [*options, "--register-models"] if args.register_models else options

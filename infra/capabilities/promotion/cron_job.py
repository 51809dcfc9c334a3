"""The CronJob that promotes a model's candidate if it passes the policy.

The policy runs the models' own code, which must not run beside the signer's credentials: an init container judges and
leaves a report, and the main container signs the decision and runs none of that code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.batch.v1 import CronJob
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    ContainerArgsDict,
    EnvFromSourceArgsDict,
    PodSpecArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)

import contracts
from infra.capabilities.promotion.settings import DEADLINE, PODS, START_WITHIN
from infra.kube.init_container import preceded
from infra.kube.job import cron_job_spec
from infra.kube.network_policy import allow
from infra.kube.pod_access import mounted, with_access
from infra.kube.pods import Resources, container, environment, metadata, pod
from infra.kube.signer_pod import bucket_keys, signer_environment, with_vault
from infra.kube.signing_keys import with_keys
from infra.limits.flows import Traffic
from infra.limits.quantities import mebibytes
from infra.links import Bucket, Identity, VaultLogin

COMPONENT: Final = PODS.component

# Candidate and champion are both in memory.
_RESOURCES: Final = Resources(cpu="100m", memory="512Mi", cpu_limit="2", memory_limit="4Gi")
_LEAST_TMP_SIZE: Final = "4Gi"
# The files of candidate and champion.
_COPIES: Final = 2
_POLICY_FOLDER: Final = "/etc/aegis/policy"
_POLICY_FILE: Final = "policy.yaml"
_POLICY_VOLUME: Final = "policy"
_JUDGE: Final = "judge"
# Names the containers that EKS's webhook must not give the role of the service account:
# https://github.com/aws/amazon-eks-pod-identity-webhook
_WITHOUT_ROLE: Final = "eks.amazonaws.com/skip-containers"
_JUDGE_MOUNTS: Final[Sequence[VolumeMountArgsDict]] = (
    {"name": _POLICY_VOLUME, "mount_path": _POLICY_FOLDER, "read_only": True},
    {"name": contracts.SIGNING_KEYS_CONFIG_MAP, "mount_path": contracts.SIGNING_KEYS_FOLDER, "read_only": True},
)
_REPORT_FOLDER: Final = "/run/report"
_REPORT: Final = f"{_REPORT_FOLDER}/report.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionArgs:
    """Arguments of `Promotion`.

    `schedule` has cron's five fields, in UTC, and `policy` is the text of the policy file. `largest_artifact` is the
    size of the largest model, such as 1Gi.
    """

    namespace: pulumi.Input[str]
    image: str
    tracking_uri: str
    vault: VaultLogin
    identity: Identity
    bucket: Bucket
    traffic: Traffic
    schedule: str
    model_name: str
    policy: str
    largest_artifact: str
    logs: Mapping[str, str] = field(default_factory=dict)


class Promotion(pulumi.ComponentResource):
    """The CronJob `promotion`. `kubectl create job --from=cronjob/promotion NAME` starts a run by hand."""

    def __init__(self, name: str, args: PromotionArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Promotion", name, {}, opts)
        child = ResourceOptions(parent=self)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        CronJob(
            f"{name}-schedule",
            metadata=metadata(args.namespace, COMPONENT, COMPONENT),
            spec=cron_job_spec(
                COMPONENT,
                with_access(_pod(name, args, child), identity=args.identity),
                args.schedule,
                start_within=START_WITHIN,
                deadline=DEADLINE,
                annotations={_WITHOUT_ROLE: _JUDGE},
            ),
            opts=child,
        )
        self.register_outputs({})


def _pod(name: str, args: PromotionArgs, opts: ResourceOptions) -> PodSpecArgsDict:
    policy = ConfigMap(
        f"{name}-policy", metadata=metadata(args.namespace, COMPONENT), data={_POLICY_FILE: args.policy}, opts=opts
    )
    tmp_size = max(_LEAST_TMP_SIZE, f"{_COPIES * mebibytes(args.largest_artifact)}Mi", key=mebibytes)
    main = _step(
        COMPONENT,
        args,
        "--verdict",
        signer_environment(args.tracking_uri, args.vault, args.bucket),
        env_from=bucket_keys(name, args.namespace, COMPONENT, args.bucket, opts),
    )
    judge = _step(_JUDGE, args, "--judge", {contracts.Env.TRACKING_URI: args.tracking_uri}, mounts=_JUDGE_MOUNTS)
    volume: VolumeArgsDict = {"name": _POLICY_VOLUME, "config_map": {"name": policy.metadata.name}}
    spec = with_keys(mounted(pod(main, tmp_size=tmp_size), volume, _POLICY_FOLDER))
    spec = preceded(spec, judge, tmp_size=tmp_size, handover=_REPORT_FOLDER)
    return with_vault(spec, name, args.namespace, COMPONENT, args.vault, opts)


def _step(
    name: str,
    args: PromotionArgs,
    step: str,
    variables: Mapping[str, pulumi.Input[str]],
    *,
    env_from: Sequence[EnvFromSourceArgsDict] = (),
    mounts: Sequence[VolumeMountArgsDict] = (),
) -> ContainerArgsDict:
    return container(
        name,
        args.image,
        _RESOURCES,
        command=["python", "-m", "workloads.registry", "auto-promote"],
        # After `--`, as a name that starts with a hyphen would be parsed as an option.
        args=["--policy", f"{_POLICY_FOLDER}/{_POLICY_FILE}", step, _REPORT, "--json", "--", args.model_name],
        env=environment({**variables, **args.logs, contracts.Env.TRUSTED_KEYS: contracts.SIGNING_KEYS_FOLDER}),
        env_from=env_from,
        mounts=mounts,
    )

"""The CronJob that backs up MLflow's database and verifies each backup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.batch.v1 import CronJob
from pulumi_kubernetes.core.v1 import Secret

import contracts
from infra.capabilities.backup.settings import DEADLINE, PODS, START_WITHIN
from infra.kube.job import cron_job_spec
from infra.kube.network_policy import allow
from infra.kube.pod_access import with_access
from infra.kube.pods import Resources, container, environment, from_secret, metadata, pod
from infra.limits.flows import Traffic
from infra.links import Bucket, DatabaseAddress, Identity

COMPONENT: Final = PODS.component

_RESOURCES: Final = Resources(cpu="20m", memory="256Mi", cpu_limit="1", memory_limit="1Gi")


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupArgs:
    """Arguments of `Backup`; `schedule` has cron's five fields, in UTC."""

    namespace: pulumi.Input[str]
    image: str
    database: DatabaseAddress
    bucket: Bucket
    traffic: Traffic
    schedule: str
    retention_days: int
    suspended: bool
    identity: Identity | None = None
    logs: Mapping[str, str] = field(default_factory=dict)


class Backup(pulumi.ComponentResource):
    """The CronJob `backup`. `kubectl create job --from=cronjob/backup NAME` starts a backup by hand."""

    def __init__(self, name: str, args: BackupArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Backup", name, {}, opts)
        child = ResourceOptions(parent=self)
        allow(f"{name}-traffic", args.namespace, args.traffic, child)
        secret = Secret(
            f"{name}-accounts",
            metadata=metadata(args.namespace, COMPONENT),
            # The API server drops an empty map, so the provider would replace the Secret with every update.
            string_data={**args.database.libpq_secrets(), **args.bucket.secrets()} or None,
            opts=child,
        )
        main = container(
            COMPONENT,
            args.image,
            _RESOURCES,
            command=[
                "python",
                "-m",
                "workloads.backup.create",
                "--verify",
                "--retention-days",
                str(args.retention_days),
            ],
            env=environment(
                {
                    **args.database.libpq_environment(),
                    **args.bucket.environment(),
                    contracts.Env.BACKUPS_BUCKET: args.bucket.bucket,
                    **args.logs,
                }
            ),
            env_from=[from_secret(secret.metadata.name)],
        )
        CronJob(
            f"{name}-schedule",
            metadata=metadata(args.namespace, COMPONENT, COMPONENT),
            spec=cron_job_spec(
                COMPONENT,
                with_access(pod(main), identity=args.identity, database=args.database),
                args.schedule,
                start_within=START_WITHIN,
                deadline=DEADLINE,
                suspended=args.suspended,
            ),
            opts=child,
        )
        self.register_outputs({})

"""Create the scheduled backup of MLflow's database."""

import contracts
from infra.capabilities.backup.cron_job import Backup, BackupArgs
from infra.capabilities.backup.grants import WORKLOAD
from infra.capabilities.backup.settings import PODS
from infra.context import Context
from infra.links import Artifacts, Database


def make_backup(context: Context, database: Database, artifacts: Artifacts) -> None:
    """Create the scheduled backup."""
    settings = context.settings.backup
    Backup(
        "backup",
        BackupArgs(
            namespace=context.namespace,
            image=context.settings.images.workloads,
            database=database.address,
            bucket=artifacts.buckets[contracts.BACKUPS_BUCKET],
            traffic=context.traffic(PODS),
            identity=context.identity(WORKLOAD, artifacts, database),
            schedule=settings.schedule,
            retention_days=settings.retention_days,
            suspended=settings.suspended,
            logs=context.settings.logs.environment(),
        ),
        context.opts,
    )

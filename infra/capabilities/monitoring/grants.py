"""The exporter's rights in AWS: it lists and reads, and can change nothing."""

from typing import Final

import contracts
from infra.limits.grants import Workload, bucket_key, database_login, listing, objects
from infra.limits.statements import DECRYPT, LIST_VERSIONS, READ

WORKLOAD: Final = Workload(
    service_account=contracts.EXPORTER_SERVICE_ACCOUNT,
    grants=(
        # The small records beside a backup say whether it was verified.
        objects("Backups", contracts.BACKUPS_BUCKET, contracts.BACKUPS_PREFIX, READ),
        listing("BackupsList", contracts.BACKUPS_BUCKET, (contracts.BACKUPS_PREFIX,), LIST_VERSIONS),
        bucket_key("BackupsKey", contracts.BACKUPS_BUCKET, DECRYPT),
        listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,), LIST_VERSIONS),
        database_login(),
    ),
)

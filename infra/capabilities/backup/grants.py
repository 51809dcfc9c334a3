"""The backup's rights in AWS: create, list, verify, restore and prune backup sets, and read the artifacts."""

from typing import Final

import contracts
from infra.limits.grants import Workload, bucket_key, database_login, listing, objects, whole_bucket
from infra.limits.statements import DECRYPT, DELETE, ENCRYPT, LIST_VERSIONS, READ_VERSIONS, WRITE

WORKLOAD: Final = Workload(
    service_account=contracts.BACKUP_SERVICE_ACCOUNT,
    grants=(
        # Verification reads pinned object versions. Pruning only adds delete markers: without the right to delete
        # versions, not even an intruder in the pod can destroy a backup before the bucket's lifecycle does.
        objects("Backups", contracts.BACKUPS_BUCKET, contracts.BACKUPS_PREFIX, (*READ_VERSIONS, *WRITE, *DELETE)),
        listing("BackupsList", contracts.BACKUPS_BUCKET, (contracts.BACKUPS_PREFIX,)),
        # S3 can't limit this action to a prefix. It shows only the keys of unfinished uploads, no data.
        whole_bucket("BackupsUploads", contracts.BACKUPS_BUCKET, ("s3:ListBucketMultipartUploads",)),
        bucket_key("BackupsKey", contracts.BACKUPS_BUCKET, ENCRYPT),
        objects("Artifacts", contracts.ARTIFACTS_BUCKET, contracts.MLFLOW_PREFIX, READ_VERSIONS),
        listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,), LIST_VERSIONS),
        bucket_key("ArtifactsKey", contracts.ARTIFACTS_BUCKET, DECRYPT),
        database_login(),
    ),
)

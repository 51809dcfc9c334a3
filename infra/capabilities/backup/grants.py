"""The backup's rights in AWS: create, list, verify, restore and prune backup sets, and read the artifacts."""

from typing import Final

import contracts
from infra.limits.grants import BucketKey, DatabaseLogin, Listing, Objects, WholeBucket, Workload
from infra.limits.statements import DECRYPT, DELETE, ENCRYPT, LIST_VERSIONS, READ_VERSIONS, WRITE

WORKLOAD: Final = Workload(
    service_account=contracts.BACKUP_SERVICE_ACCOUNT,
    grants=(
        # Verification reads pinned object versions. Pruning only adds delete markers: without the right to delete
        # versions, not even an intruder in the pod can destroy a backup before the bucket's lifecycle does.
        Objects("Backups", contracts.BACKUPS_BUCKET, contracts.BACKUPS_PREFIX, (*READ_VERSIONS, *WRITE, *DELETE)),
        Listing("BackupsList", contracts.BACKUPS_BUCKET, (contracts.BACKUPS_PREFIX,)),
        # S3 can't limit this action to a prefix. It shows only the keys of unfinished uploads, no data.
        WholeBucket("BackupsUploads", contracts.BACKUPS_BUCKET, ("s3:ListBucketMultipartUploads",)),
        BucketKey("BackupsKey", contracts.BACKUPS_BUCKET, ENCRYPT),
        Objects("Artifacts", contracts.ARTIFACTS_BUCKET, contracts.MLFLOW_PREFIX, READ_VERSIONS),
        Listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,), LIST_VERSIONS),
        BucketKey("ArtifactsKey", contracts.ARTIFACTS_BUCKET, DECRYPT),
        DatabaseLogin(),
    ),
)

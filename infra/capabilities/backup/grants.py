"""What a backup may do in AWS: create, list, verify, restore and prune backups, and read the artifacts."""

from typing import Final

import contracts
from infra.limits.grants import BucketKey, DatabaseLogin, Listing, Objects, WholeBucket, Workload
from infra.limits.statements import DECRYPT, DELETE, ENCRYPT, LIST_VERSIONS, READ_VERSIONS, WRITE

# The folder of the backups bucket that `workloads.backup` uses by default.
_FOLDER: Final = "mlflow"

WORKLOAD: Final = Workload(
    service_account=contracts.BACKUP_SERVICE_ACCOUNT,
    grants=(
        # A verification reads the version that it has pinned. Pruning hides a backup: its versions stay for the
        # bucket's life cycle, even if an intruder takes over the pod.
        Objects("Backups", contracts.BACKUPS_BUCKET, _FOLDER, (*READ_VERSIONS, *WRITE, *DELETE)),
        Listing("BackupsList", contracts.BACKUPS_BUCKET, (_FOLDER,)),
        # S3 has no condition on the prefix for this action; it shows the keys of unfinished uploads, and no data.
        WholeBucket("BackupsUploads", contracts.BACKUPS_BUCKET, ("s3:ListBucketMultipartUploads",)),
        BucketKey("BackupsKey", contracts.BACKUPS_BUCKET, ENCRYPT),
        Objects("Artifacts", contracts.ARTIFACTS_BUCKET, contracts.MLFLOW_PREFIX, READ_VERSIONS),
        Listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,), LIST_VERSIONS),
        BucketKey("ArtifactsKey", contracts.ARTIFACTS_BUCKET, DECRYPT),
        DatabaseLogin(),
    ),
)

"""The rights of the tracking server and the migration in AWS."""

from typing import Final

import contracts
from infra.limits.grants import BucketKey, DatabaseLogin, Listing, Objects, Workload
from infra.limits.statements import DELETE, ENCRYPT, READ, WRITE

# Artifacts under MLflow's prefix, and logins to its database.
SERVER_WORKLOAD: Final = Workload(
    service_account=contracts.MLFLOW_SERVICE_ACCOUNT,
    grants=(
        Objects(
            "Artifacts",
            contracts.ARTIFACTS_BUCKET,
            contracts.MLFLOW_PREFIX,
            (*READ, *WRITE, *DELETE, "s3:ListMultipartUploadParts"),
        ),
        Listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,)),
        BucketKey("ArtifactsKey", contracts.ARTIFACTS_BUCKET, ENCRYPT),
        DatabaseLogin(),
    ),
)
MIGRATION_WORKLOAD: Final = Workload(service_account=contracts.MIGRATION_SERVICE_ACCOUNT, grants=(DatabaseLogin(),))

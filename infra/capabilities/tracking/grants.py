"""The rights of the tracking server and the migration in AWS."""

from typing import Final

import contracts
from infra.limits.grants import Workload, bucket_key, database_login, listing, objects
from infra.limits.statements import DELETE, ENCRYPT, READ, WRITE

# Artifacts under MLflow's prefix, and logins to its database.
SERVER_WORKLOAD: Final = Workload(
    service_account=contracts.MLFLOW_SERVICE_ACCOUNT,
    grants=(
        objects(
            "Artifacts",
            contracts.ARTIFACTS_BUCKET,
            contracts.MLFLOW_PREFIX,
            (*READ, *WRITE, *DELETE, "s3:ListMultipartUploadParts"),
        ),
        listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,)),
        bucket_key("ArtifactsKey", contracts.ARTIFACTS_BUCKET, ENCRYPT),
        database_login(),
    ),
)
MIGRATION_WORKLOAD: Final = Workload(service_account=contracts.MIGRATION_SERVICE_ACCOUNT, grants=(database_login(),))

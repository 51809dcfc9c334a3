"""The signer's rights in AWS: read artifacts, and write releases. It may not delete anything."""

from typing import Final

import contracts
from infra.limits.grants import Workload, bucket_key, listing, objects, whole_bucket
from infra.limits.statements import DECRYPT, ENCRYPT, LIST, READ, WRITE

WORKLOAD: Final = Workload(
    service_account=contracts.SIGNER_SERVICE_ACCOUNT,
    vault_role=contracts.SIGNER_ROLE,
    grants=(
        objects("Artifacts", contracts.ARTIFACTS_BUCKET, contracts.MLFLOW_PREFIX, READ),
        listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,)),
        bucket_key("ArtifactsKey", contracts.ARTIFACTS_BUCKET, DECRYPT),
        objects("Releases", contracts.RELEASES_BUCKET, "", (*READ, *WRITE)),
        # For the whole bucket: HEAD requests name no prefix, and get 403 instead of 404 without this right.
        whole_bucket("ReleasesList", contracts.RELEASES_BUCKET, LIST),
        bucket_key("ReleasesKey", contracts.RELEASES_BUCKET, ENCRYPT),
    ),
)

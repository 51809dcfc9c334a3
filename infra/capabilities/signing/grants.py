"""The signer's rights in AWS: read artifacts, and write releases. It may not delete anything."""

from typing import Final

import contracts
from infra.limits.grants import BucketKey, Listing, Objects, WholeBucket, Workload
from infra.limits.statements import DECRYPT, ENCRYPT, LIST, READ, WRITE

WORKLOAD: Final = Workload(
    service_account=contracts.SIGNER_SERVICE_ACCOUNT,
    grants=(
        Objects("Artifacts", contracts.ARTIFACTS_BUCKET, contracts.MLFLOW_PREFIX, READ),
        Listing("ArtifactsList", contracts.ARTIFACTS_BUCKET, (contracts.MLFLOW_PREFIX,)),
        BucketKey("ArtifactsKey", contracts.ARTIFACTS_BUCKET, DECRYPT),
        Objects("Releases", contracts.RELEASES_BUCKET, "", (*READ, *WRITE)),
        # For the whole bucket: HEAD requests name no prefix, and get 403 instead of 404 without this right.
        WholeBucket("ReleasesList", contracts.RELEASES_BUCKET, LIST),
        BucketKey("ReleasesKey", contracts.RELEASES_BUCKET, ENCRYPT),
    ),
)

"""What the signer may do in AWS: read a model's artifacts and add releases. It deletes nothing."""

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
        # Of the whole bucket: S3 answers "not found" instead of "forbidden" to HEAD requests, which name no prefix.
        WholeBucket("ReleasesList", contracts.RELEASES_BUCKET, LIST),
        BucketKey("ReleasesKey", contracts.RELEASES_BUCKET, ENCRYPT),
    ),
)

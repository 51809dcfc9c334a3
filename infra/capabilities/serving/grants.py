"""The rights of serving: the reconciler records its steps, and a delivery pushes images of model versions in AWS."""

from typing import Final

import contracts
from infra.limits.grants import Workload, bucket_key, objects, pull_images, push_images, registry_login, whole_bucket
from infra.limits.statements import ENCRYPT, LIST, READ, WRITE

# The records of rollouts are beside the releases of their model, and no role may delete one.
RECONCILER_WORKLOAD: Final = Workload(
    service_account=contracts.RECONCILER_SERVICE_ACCOUNT,
    namespace=contracts.SERVING_NAMESPACE,
    vault_role=contracts.RECONCILER_ROLE,
    grants=(
        objects("Rollouts", contracts.RELEASES_BUCKET, "*/rollouts", (*READ, *WRITE)),
        # For the whole bucket: HEAD requests name no prefix, and get 403 instead of 404 without this right.
        whole_bucket("ReleasesList", contracts.RELEASES_BUCKET, LIST),
        bucket_key("ReleasesKey", contracts.RELEASES_BUCKET, ENCRYPT),
    ),
)
DELIVERY_WORKLOAD: Final = Workload(
    service_account=contracts.DELIVERY_SERVICE_ACCOUNT,
    namespace=contracts.SERVING_NAMESPACE,
    grants=(
        registry_login(),
        pull_images("ServingImage", "serving"),
        push_images("Models", contracts.MODELS_REPOSITORY),
    ),
)

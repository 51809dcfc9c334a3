"""What trainers may do in AWS: read all datasets, and read and write the checkpoints of their own namespace."""

import contracts
from infra.limits.grants import BucketKey, Listing, Objects, Workload
from infra.limits.kubernetes_names import label
from infra.limits.statements import ENCRYPT, READ, WRITE


def trainer(namespace: str, setting: tuple[str, str] | None = None) -> Workload:
    """Return the trainers of `namespace`; `setting` is the key and the value that name it.

    Raises:
        ValueError: `namespace` is not a valid name of a namespace.
    """
    checkpoints = f"{contracts.CHECKPOINTS_PREFIX}/{label('namespace', namespace)}"
    bucket = contracts.ARTIFACTS_BUCKET
    return Workload(
        service_account=contracts.TRAINER_SERVICE_ACCOUNT,
        namespace=namespace,
        setting=setting,
        grants=(
            Objects("Datasets", bucket, contracts.DATASETS_PREFIX, READ),
            Objects("Checkpoints", bucket, checkpoints, (*READ, *WRITE)),
            Listing("List", bucket, (contracts.DATASETS_PREFIX, checkpoints)),
            BucketKey("Key", bucket, ENCRYPT),
        ),
    )

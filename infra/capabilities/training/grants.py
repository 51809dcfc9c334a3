"""The trainers' rights in AWS: read all datasets, and read and write the checkpoints of their namespace."""

import contracts
from infra.limits.grants import Workload, bucket_key, listing, objects
from infra.limits.kubernetes_names import label
from infra.limits.statements import ENCRYPT, READ, WRITE


def trainer(namespace: str, setting: tuple[str, str] | None = None) -> Workload:
    """Return the workload of the trainers in `namespace`.

    `setting` is the key and value of the setting that names the namespace, for messages about the role's name.

    Raises:
        ValueError: `namespace` isn't a valid name for a namespace.
    """
    checkpoints = f"{contracts.CHECKPOINTS_PREFIX}/{label('namespace', namespace)}"
    bucket = contracts.ARTIFACTS_BUCKET
    return Workload(
        service_account=contracts.TRAINER_SERVICE_ACCOUNT,
        namespace=namespace,
        setting=setting,
        grants=(
            objects("Datasets", bucket, contracts.DATASETS_PREFIX, READ),
            objects("Checkpoints", bucket, checkpoints, (*READ, *WRITE)),
            listing("List", bucket, (contracts.DATASETS_PREFIX, checkpoints)),
            bucket_key("Key", bucket, ENCRYPT),
        ),
    )

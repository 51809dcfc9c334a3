"""Create the StorageClass of encrypted gp3 volumes."""

import pulumi

from infra.capabilities.cluster.settings import GP3_CLASS
from infra.context import Context
from infra.kube.storage_class import Gp3StorageClass, Gp3StorageClassArgs


def make_cluster(context: Context) -> None:
    """Create the StorageClass of encrypted gp3 volumes if the settings ask for it, and export MLflow's namespace."""
    if context.settings.cluster.gp3_class:
        tags = context.cloud.account.tags if context.cloud else {}
        Gp3StorageClass("gp3", Gp3StorageClassArgs(class_name=GP3_CLASS, tags=tags), context.opts)
    pulumi.export("namespace", context.namespace)

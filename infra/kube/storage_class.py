"""The class of encrypted gp3 volumes, made by the EBS CSI driver of an EKS cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.storage.v1 import StorageClass


@dataclass(frozen=True, kw_only=True, slots=True)
class Gp3StorageClassArgs:
    """Arguments of `Gp3StorageClass`: what claims call it, the KMS key of the volumes, None for EBS's own, and tags.

    With a key of one's own, the CSI driver's role must be allowed to use it and to grant it.
    """

    class_name: str
    key_arn: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Gp3StorageClass(pulumi.ComponentResource):
    """The storage class."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: Gp3StorageClassArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:cluster:Gp3StorageClass", name, {}, opts)
        # https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
        parameters: dict[str, pulumi.Input[str]] = {"type": "gp3", "encrypted": "true", **tag_parameters(args.tags)}
        if args.key_arn is not None:
            parameters["kmsKeyId"] = args.key_arn
        self.name = StorageClass(
            f"{name}-class",
            metadata={"name": args.class_name},
            provisioner="ebs.csi.aws.com",
            parameters=parameters,
            # A volume lives in one zone: it is made where the pod that waits for it can run.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            # A claim goes with its namespace, and the volume may be the only copy of a database: whoever wants its
            # space back deletes the volume, too, and knows what it was.
            reclaim_policy="Retain",
            # A class can't be changed, and claims know it by its name; the volumes that it made stay as they are.
            opts=ResourceOptions(parent=self, delete_before_replace=True),
        ).metadata.name
        self.register_outputs({"name": self.name})


def tag_parameters(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the driver's parameters that put `tags` on each volume.

    https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md
    """
    return {
        f"tagSpecification_{number}": f"{key}={value}" for number, (key, value) in enumerate(sorted(tags.items()), 1)
    }

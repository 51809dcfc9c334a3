"""The StorageClass of encrypted gp3 volumes, which the EBS CSI driver of an EKS cluster makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes.storage.v1 import StorageClass


@dataclass(frozen=True, kw_only=True, slots=True)
class Gp3StorageClassArgs:
    """Arguments of `Gp3StorageClass`; `class_name` is the name that claims use, and `tags` are those of the volumes.

    `key_arn` is the KMS key of the volumes, None for EBS's own key. The CSI driver's IAM role must be allowed to use
    the key and to create grants for it.
    """

    class_name: str
    key_arn: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Gp3StorageClass(pulumi.ComponentResource):
    """The StorageClass; `name` is its name in Kubernetes."""

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
            # A volume is in one zone: it must be made in a zone in which its pod can run.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            # A claim is deleted with its namespace, but the volume may be the only copy of a database. To free the
            # space, an administrator deletes the volume explicitly.
            reclaim_policy="Retain",
            # A StorageClass can't be changed, and claims refer to its name. Existing volumes aren't affected.
            opts=ResourceOptions(parent=self, delete_before_replace=True),
        ).metadata.name
        self.register_outputs({"name": self.name})


def tag_parameters(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the driver that put `tags` on each volume.

    https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md
    """
    return {
        f"tagSpecification_{number}": f"{key}={value}" for number, (key, value) in enumerate(sorted(tags.items()), 1)
    }

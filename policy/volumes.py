"""Volumes of the cluster: encrypted, as the class says that they are made from."""

from collections.abc import Iterator
from typing import Final

from policy.known import differs
from policy.resource import Resource
from policy.rule import each

_EBS: Final = ("ebs.csi.aws.com", "kubernetes.io/aws-ebs")


def _encryption(storage_class: Resource) -> Iterator[str]:
    if storage_class.get("provisioner") in _EBS and differs(storage_class.get("parameters", "encrypted"), "true"):
        yield "parameters.encrypted is not true."


RULES: Final = (
    each(
        "volume-is-encrypted",
        "A volume of EBS encrypts what it stores. Set encrypted to the text true in the storage class's parameters.",
        ("kubernetes:storage.k8s.io/v1:StorageClass",),
        _encryption,
    ),
)

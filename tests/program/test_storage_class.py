"""The StorageClass of encrypted gp3 volumes in an EKS cluster."""

from typing import Any

import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from infra.kube.storage_class import Gp3StorageClass, Gp3StorageClassArgs
from tests.support.engine import Registered, run

KEY = "arn:aws:kms:us-west-2:123456789012:key/11111111-2222-3333-4444-555555555555"


def args(**more: Any) -> Gp3StorageClassArgs:
    return Gp3StorageClassArgs(class_name="aegis-gp3", **more)


def build(arguments: Gp3StorageClassArgs) -> Registered:
    def program() -> None:
        Gp3StorageClass("storage", arguments, ResourceOptions(providers=[kubernetes.Provider("cluster")]))

    return run(program, {}).one("StorageClass")


def test_volumes_are_encrypted_gp3() -> None:
    inputs = build(args()).inputs
    assert inputs["provisioner"] == "ebs.csi.aws.com"
    assert inputs["parameters"] == {"type": "gp3", "encrypted": "true"}


def test_volumes_are_encrypted_with_the_key_if_one_is_set() -> None:
    assert build(args(key_arn=KEY)).inputs["parameters"]["kmsKeyId"] == KEY


def test_volumes_have_the_tags_of_their_environment() -> None:
    parameters = build(args(tags={"Owner": "ml-platform", "Environment": "prod"})).inputs["parameters"]
    assert parameters["tagSpecification_1"] == "Environment=prod"
    assert parameters["tagSpecification_2"] == "Owner=ml-platform"


def test_a_volume_is_created_in_the_zone_of_its_pod_and_can_grow_and_outlives_its_claim() -> None:
    inputs = build(args()).inputs
    assert inputs["volumeBindingMode"] == "WaitForFirstConsumer"
    assert inputs["allowVolumeExpansion"] is True
    assert inputs["reclaimPolicy"] == "Retain"


def test_a_class_is_deleted_before_its_replacement_of_the_same_name_is_created() -> None:
    storage_class = build(args())
    assert storage_class.object_name == "aegis-gp3"
    assert storage_class.delete_before_replace

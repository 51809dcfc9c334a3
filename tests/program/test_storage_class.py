"""The class of the volumes of an EKS cluster."""

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
    made = build(args()).inputs
    assert made["provisioner"] == "ebs.csi.aws.com"
    assert made["parameters"] == {"type": "gp3", "encrypted": "true"}


def test_volumes_have_a_key_of_ones_own_where_one_is_given() -> None:
    assert build(args(key_arn=KEY)).inputs["parameters"]["kmsKeyId"] == KEY


def test_volumes_bear_the_tags_of_their_environment() -> None:
    parameters = build(args(tags={"Owner": "ml-platform", "Environment": "prod"})).inputs["parameters"]
    assert parameters["tagSpecification_1"] == "Environment=prod"
    assert parameters["tagSpecification_2"] == "Owner=ml-platform"


def test_a_volume_is_made_where_its_pod_runs_grows_and_outlives_its_claim() -> None:
    made = build(args()).inputs
    assert made["volumeBindingMode"] == "WaitForFirstConsumer"
    assert made["allowVolumeExpansion"] is True
    assert made["reclaimPolicy"] == "Retain"


def test_a_class_that_changes_makes_room_for_its_successor_of_the_same_name() -> None:
    made = build(args())
    assert made.object_name == "aegis-gp3"
    assert made.delete_before_replace

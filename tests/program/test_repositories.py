"""The repositories of the container images."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi import ResourceOptions

from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs
from infra.limits.account import Account
from tests.support.engine import Graph, run

TAGS = {"Environment": "prod", "Project": "aegis"}
ACCOUNT = Account(project="aegis", environment="prod", account_id="123456789012", region="us-west-2", tags=TAGS)
IMAGES = ("mlflow", "trainer")
KEPT = ("models",)


def build(*, protected: bool) -> tuple[Graph, dict[str, str]]:
    urls: dict[str, str] = {}

    def program() -> None:
        repositories = ImageRepositories(
            "images",
            ImageRepositoriesArgs(account=ACCOUNT, images=IMAGES, kept_images=KEPT, protected=protected),
            ResourceOptions(providers=[aws.Provider("aws")]),
        )
        pulumi.Output.all(**repositories.urls).apply(urls.update)

    return run(program, {}), urls


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(protected=True)[0]


def rules(graph: Graph, image: str) -> list[dict[str, Any]]:
    return json.loads(graph.one("LifecyclePolicy", f"images-{image}-lifecycle").inputs["policy"])["rules"]


def test_each_image_has_a_repository() -> None:
    _, urls = build(protected=True)
    assert urls == {
        image: f"123456789012.dkr.ecr.us-west-2.amazonaws.com/aegis-prod/{image}" for image in (*IMAGES, *KEPT)
    }


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_scanned_encrypted_and_never_replaced_under_its_tag(graph: Graph, image: str) -> None:
    repository = graph.one("Repository", f"images-{image}-repository").inputs
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert repository["imageTagMutability"] == "IMMUTABLE"
    key = "arn:aws:kms:us-west-2:123456789012:Key/images-key-key"
    assert repository["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": key}]
    assert repository["tags"] == TAGS


@pytest.mark.parametrize("image", IMAGES)
def test_untagged_images_expire_after_two_weeks_and_fifty_tagged_ones_stay(graph: Graph, image: str) -> None:
    kept = [(each["rulePriority"], each["selection"]) for each in rules(graph, image)]
    assert kept == [
        (1, {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}),
        (2, {"tagStatus": "tagged", "tagPatternList": ["*"], "countType": "imageCountMoreThan", "countNumber": 50}),
    ]


def test_no_tagged_image_of_a_model_version_expires(graph: Graph) -> None:
    [rule] = rules(graph, "models")
    assert rule["selection"]["tagStatus"] == "untagged"


def test_protected_images_are_not_deleted_with_their_stack(graph: Graph) -> None:
    repositories = graph.of_kind("Repository")
    assert [each.inputs["forceDelete"] for each in repositories] == [False] * 3
    assert {each.kind for each in graph.resources if each.protect} == {"Repository", "Key", "Alias"}


def test_unprotected_images_are_deleted_with_their_stack() -> None:
    graph, _ = build(protected=False)
    assert [each.inputs["forceDelete"] for each in graph.of_kind("Repository")] == [True] * 3
    assert not any(each.protect for each in graph.resources)

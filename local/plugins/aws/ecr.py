"""AWS ECR repositories and their lifecycle policies."""

from typing import Any, Final

from local.plugins.aws.client import Aws, found
from local.plugins.aws.documents import tag_list, tag_map
from local.plugins.aws.kind import Kind, changed, fields, tag_changes, tags
from local.plugins.values import Bag

_GONE: Final = "RepositoryNotFoundException"


class Repository(Kind):
    """`aws.ecr.Repository`: its id is its name."""

    fields = fields(
        optional={
            "name": None,
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": None,
            "encryptionConfigurations": None,
            "forceDelete": False,
        },
        computed=("arn", "registryId", "repositoryUrl"),
        replacing=("name", "encryptionConfigurations"),
        write_only=("forceDelete",),
    )
    named = "name"

    def locate(self, identity: str) -> Bag:
        """Return the name, which is the id."""
        return {"name": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Create the repository."""
        arguments: dict[str, Any] = {
            "repositoryName": inputs["name"],
            "imageTagMutability": inputs["imageTagMutability"],
            "tags": tag_list(inputs.get("tags")),
        }
        if inputs.get("imageScanningConfiguration"):
            arguments["imageScanningConfiguration"] = inputs["imageScanningConfiguration"]
        for encryption in inputs.get("encryptionConfigurations") or []:
            arguments["encryptionConfiguration"] = {"encryptionType": "AES256"} | encryption
        aws.client("ecr").create_repository(**arguments)
        return inputs["name"]

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the repository."""
        ecr = aws.client("ecr")
        answer = found(lambda: ecr.describe_repositories(repositoryNames=[identity]), _GONE)
        if not answer or not answer["repositories"]:
            return None
        repository = answer["repositories"][0]
        tag_pairs = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        encryption = repository.get("encryptionConfiguration")
        return {
            "name": repository["repositoryName"],
            "arn": repository["repositoryArn"],
            "registryId": repository["registryId"],
            "repositoryUrl": repository["repositoryUri"],
            "imageTagMutability": repository["imageTagMutability"],
            "imageScanningConfiguration": repository.get("imageScanningConfiguration"),
            "encryptionConfigurations": [encryption] if encryption else [],
            **tags(tag_map(tag_pairs)),
        }

    def update(self, aws: Aws, identity: str, old: Bag, new: Bag) -> None:
        """Change the mutability of image tags, image scanning, or the repository's tags."""
        ecr = aws.client("ecr")
        if changed(old, new, "imageTagMutability"):
            ecr.put_image_tag_mutability(repositoryName=identity, imageTagMutability=new["imageTagMutability"])
        if changed(old, new, "imageScanningConfiguration"):
            scanning = new.get("imageScanningConfiguration") or {"scanOnPush": False}
            ecr.put_image_scanning_configuration(repositoryName=identity, imageScanningConfiguration=scanning)
        added, removed = tag_changes(old, new)
        arn = aws.arn("ecr", f"repository/{identity}")
        if removed:
            ecr.untag_resource(resourceArn=arn, tagKeys=removed)
        if added:
            ecr.tag_resource(resourceArn=arn, tags=tag_list(added))

    def delete(self, aws: Aws, identity: str, inputs: Bag) -> None:
        """Delete the repository. Without `forceDelete`, ECR refuses if it contains images."""
        force = inputs["forceDelete"]
        found(lambda: aws.client("ecr").delete_repository(repositoryName=identity, force=force), _GONE)


class LifecyclePolicy(Kind):
    """`aws.ecr.LifecyclePolicy`: its id is the repository's name; the official plugin replaces it on any change."""

    fields = fields(
        required=("repository", "policy"),
        computed=("registryId",),
        replacing=("repository", "policy"),
        documents=("policy",),
        tagged=False,
    )

    def blocks_new(self, old: Bag, new: Bag) -> bool:
        """Return whether both are for the same repository, which has only one policy."""
        return old["repository"] == new["repository"]

    def locate(self, identity: str) -> Bag:
        """Return the repository, which is the id."""
        return {"repository": identity}

    def create(self, aws: Aws, inputs: Bag) -> str:
        """Put the policy."""
        repository = inputs["repository"]
        aws.client("ecr").put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=inputs["policy"])
        return repository

    def read(self, aws: Aws, identity: str, _inputs: Bag) -> Bag | None:
        """Read the policy."""
        ecr = aws.client("ecr")
        answer = found(
            lambda: ecr.get_lifecycle_policy(repositoryName=identity), _GONE, "LifecyclePolicyNotFoundException"
        )
        if answer is None:
            return None
        return {
            "repository": answer["repositoryName"],
            "registryId": answer["registryId"],
            "policy": answer["lifecyclePolicyText"],
        }

    def delete(self, aws: Aws, identity: str, _inputs: Bag) -> None:
        """Delete the policy."""
        ecr = aws.client("ecr")
        found(lambda: ecr.delete_lifecycle_policy(repositoryName=identity), _GONE, "LifecyclePolicyNotFoundException")

"""ECR repositories of the platform's container images."""

import json
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import ecr

from infra.aws.keys import EncryptionKey, EncryptionKeyArgs
from infra.limits.account import Account

_UNTAGGED_DAYS: Final = 14
# Far more than a rollback needs. A stack names its images by digest, so they must still exist.
_KEPT_IMAGES: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRepositoriesArgs:
    """Arguments of `ImageRepositories`; `images` are the names of the images, one repository for each.

    Of the `kept_images`, which also have a repository each, no tagged image is ever deleted.
    """

    account: Account
    images: tuple[str, ...]
    protected: bool
    kept_images: tuple[str, ...] = ()


class ImageRepositories(pulumi.ComponentResource):
    """A repository `PROJECT-ENVIRONMENT/IMAGE` for each image; `urls` holds their URLs by image."""

    urls: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: ImageRepositoriesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("aegis:aws:ImageRepositories", name, {}, opts)
        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                account=args.account,
                purpose="images",
                description=f"Container images of the {args.account.environment} environment",
                protected=args.protected,
            ),
            ResourceOptions(parent=self),
        )
        self.urls = {
            image: self._repository(f"{name}-{image}", image, args, key) for image in (*args.images, *args.kept_images)
        }
        self.register_outputs({"urls": self.urls})

    def _repository(self, name: str, image: str, args: ImageRepositoriesArgs, key: EncryptionKey) -> pulumi.Output[str]:
        repository = ecr.Repository(
            f"{name}-repository",
            name=args.account.repository_name(image),
            # A tag always names the image that was pushed, scanned and rolled out.
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": key.arn}],
            force_delete=not args.protected,
            tags=args.account.tags,
            # Protected, because a node that restarts pulls the images again.
            opts=ResourceOptions(parent=self, protect=args.protected),
        )
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=json.dumps(lifecycle_policy(kept=image in args.kept_images)),
            opts=ResourceOptions(parent=self),
        )
        return repository.repository_url


def lifecycle_policy(*, kept: bool = False) -> dict[str, Any]:
    """Return the rules by which ECR deletes images: untagged ones, and unless `kept` all but the newest tagged ones."""
    untagged = {
        "rulePriority": 1,
        "description": f"Untagged images go after {_UNTAGGED_DAYS} days",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": _UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
    old = {
        "rulePriority": 2,
        "description": f"The newest {_KEPT_IMAGES} tagged images stay",
        "selection": {
            "tagStatus": "tagged",
            "tagPatternList": ["*"],
            "countType": "imageCountMoreThan",
            "countNumber": _KEPT_IMAGES,
        },
        "action": {"type": "expire"},
    }
    return {"rules": [untagged] if kept else [untagged, old]}

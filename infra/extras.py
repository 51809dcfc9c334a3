"""What an environment in AWS has beside the platform's own parts: image repositories, a class of encrypted volumes."""

from collections.abc import Mapping

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs
from infra.cloud import Cloud
from infra.cluster.storage_class import Gp3StorageClass, Gp3StorageClassArgs
from infra.settings import Settings
from infra.settings.cluster import GP3_CLASS

# Images that run in AWS: the stores are AWS's own there.
_CLOUD_IMAGES = tuple(image for image in contracts.IMAGES if image not in ("postgres", "s3", "vault"))


def image_repositories(cloud: Cloud | None) -> Mapping[str, pulumi.Output[str]]:
    """Make a repository for each image of the platform, and return where to push it."""
    if cloud is None:
        return {}
    arguments = ImageRepositoriesArgs(account=cloud.account, images=_CLOUD_IMAGES, protected=cloud.protected)
    return ImageRepositories("images", arguments, cloud.opts).urls


def storage_class(wanted: Settings, cloud: Cloud | None, opts: ResourceOptions) -> None:
    """Make the class of encrypted gp3 volumes, where the settings want it."""
    if wanted.cluster.gp3_class:
        arguments = Gp3StorageClassArgs(class_name=GP3_CLASS, tags=cloud.account.tags if cloud else {})
        Gp3StorageClass("gp3", arguments, opts)

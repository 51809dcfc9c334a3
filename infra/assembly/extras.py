"""What an environment in AWS has beside the platform's own parts: image repositories, a class of encrypted volumes."""

from collections.abc import Mapping

import pulumi
from pulumi import ResourceOptions

import contracts
from infra.assembly.cloud import Cloud
from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs
from infra.cluster.storage_class import Gp3StorageClass, Gp3StorageClassArgs
from infra.settings import Settings
from infra.settings.cluster import GP3_CLASS


def image_repositories(wanted: Settings, cloud: Cloud | None) -> Mapping[str, pulumi.Output[str]]:
    """Make a repository for each image of the platform that the settings want to run, and return where to push it."""
    if cloud is None:
        return {}
    elsewhere = {
        "postgres": wanted.database.kind != "in-cluster",
        "s3": wanted.artifact_store.kind != "in-cluster",
        "vault": wanted.vault.kind != "in-cluster",
    }
    images = tuple(image for image in contracts.IMAGES if not elsewhere.get(image, False))
    arguments = ImageRepositoriesArgs(account=cloud.account, images=images, protected=cloud.protected)
    return ImageRepositories("images", arguments, cloud.opts).urls


def storage_class(wanted: Settings, cloud: Cloud | None, opts: ResourceOptions) -> None:
    """Make the class of encrypted gp3 volumes, where the settings want it."""
    if wanted.cluster.gp3_class:
        arguments = Gp3StorageClassArgs(class_name=GP3_CLASS, tags=cloud.account.tags if cloud else {})
        Gp3StorageClass("gp3", arguments, opts)

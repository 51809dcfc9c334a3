"""Create the repositories of the images that an environment in AWS runs."""

import pulumi

import contracts
from infra.aws.cloud import Cloud
from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs
from infra.settings.model import Settings


def make_images(settings: Settings, cloud: Cloud | None) -> None:
    """Create a repository for each image that the stack runs, and export their URLs.

    It needs no cluster, because the images are pushed before anything can run.
    """
    if cloud is None:
        return
    images = tuple(image for image in contracts.IMAGES if settings.servers_in_cluster.get(image, True))
    arguments = ImageRepositoriesArgs(account=cloud.account, images=images, protected=cloud.protected)
    pulumi.export("image_repositories", ImageRepositories("images", arguments, cloud.opts).urls)

"""Create the repositories of the images that an environment in AWS runs."""

from collections.abc import Mapping

import pulumi

import contracts
from infra.aws.cloud import Cloud
from infra.aws.repositories import ImageRepositories, ImageRepositoriesArgs
from infra.settings.model import Settings


def make_images(settings: Settings, cloud: Cloud | None) -> Mapping[str, pulumi.Output[str]]:
    """Create a repository for each image that the stack runs, and export their URLs, which are by the images' names.

    It needs no cluster, because the images are pushed before anything can run. The images of model versions, which the
    stack's own pods push, have a repository in which every tagged image stays: a version may be served for years.
    """
    if cloud is None:
        return {}
    runs = {**settings.servers_in_cluster, "monitoring": settings.monitoring.needs_image(settings)}
    images = tuple(image for image in contracts.IMAGES if runs.get(image, True))
    pushed = (contracts.MODELS_REPOSITORY,) if settings.serving.pushes_to_aws(settings) else ()
    arguments = ImageRepositoriesArgs(
        account=cloud.account, images=images, kept_images=pushed, protected=cloud.protected
    )
    urls = ImageRepositories("images", arguments, cloud.opts).urls
    pulumi.export("image_repositories", urls)
    return urls

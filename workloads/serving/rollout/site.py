"""Where served models run: the namespace, the image of their servers, and how versions reach them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What the settings say about the objects of all served models.

    With `delivery` "volume", each version has a volume of the class `storage_class`, or of the cluster's default one.
    With "image", it has an image in `repository`. `volume_size` is the room of its files: on that volume, or on the
    disk of a node while the image is made. A server has the variables `server_environment`. `kserve` says that servers
    are run by KServe.
    """

    namespace: str
    image: str
    tracking_uri: str
    delivery: Literal["volume", "image"] = "volume"
    storage_class: str | None = None
    volume_size: str = "5Gi"
    repository: str | None = None
    server_environment: Mapping[str, str] = field(default_factory=dict)
    kserve: bool = False

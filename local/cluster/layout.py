"""The addresses of the embedded cluster, chosen once and kept, because certificates and Services contain them.

Pods, Services and the node share one private /16. It must not overlap a network that the machine already uses.
"""

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local import paths
from local.errors import LocalError
from local.processes import write_whole

NODE_NAME = "aegis"
NODE_LINK = "aegis-node0"
CLUSTER_DOMAIN = "cluster.local"
NETWORK_ENV = "AEGIS_NETWORK"

# Private ranges that few networks use; Docker, kind, k3s and home routers use others.
CANDIDATES = ("10.213.0.0/16", "10.187.0.0/16", "172.29.0.0/16", "192.168.0.0/16")

PREFIX_LENGTH = 16

Network = ipaddress.IPv4Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The addresses that follow from the cluster's block, an IPv4 /16."""

    block: Network

    def __post_init__(self) -> None:
        if self.block.prefixlen != PREFIX_LENGTH:
            raise LocalError(f"{NETWORK_ENV} must be a /16, such as {CANDIDATES[0]}, got {self.block}.")

    @property
    def pods(self) -> Network:
        """The pods' addresses."""
        return Network((int(self.block.network_address), 20))

    @property
    def services(self) -> Network:
        """The Services' virtual addresses."""
        return Network((int(self.block.network_address) + (128 << 8), 20))

    @property
    def node_ip(self) -> str:
        """The address of the node and of the API server."""
        return str(self.block.network_address + (255 << 8) + 1)

    @property
    def api_service_ip(self) -> str:
        """The address of the Service `kubernetes`: always the first of the range."""
        return str(self.services[1])

    @property
    def dns_ip(self) -> str:
        """The address of the cluster's name server."""
        return str(self.services[10])

    @property
    def api_url(self) -> str:
        """The address of the API server."""
        return f"https://{self.node_ip}:6443"


def load() -> Layout:
    """Return the layout of this platform; the first time, choose a free block and save it.

    Raises:
        LocalError: The configured or saved block, or every candidate, overlaps a network of this machine.
    """
    taken = _routes()
    saved = _saved()
    configured = os.environ.get(NETWORK_ENV)
    if saved is None:
        layout = Layout(block=_parse(configured) if configured else _first_free(taken))
    elif configured and _parse(configured) != saved.block:
        raise LocalError(
            f"{NETWORK_ENV} is {configured}, but this platform was created with {saved.block}: "
            f"unset it, or run `make clean`, which deletes the platform's data."
        )
    else:
        layout = saved
    if overlapping := meets(layout.block, taken):
        raise LocalError(
            f"The cluster's network {layout.block} overlaps {overlapping}, which this machine already uses: "
            f"set {NETWORK_ENV} to a free /16" + (" and run `make clean` first." if saved else ".")
        )
    if saved is None:
        write_whole(_file(), json.dumps({"block": str(layout.block)}))
    return layout


def known() -> Layout | None:
    """Return the layout of the platform; None if it was never up."""
    return _saved()


def meets(block: Network, taken: Iterable[Network]) -> Network | None:
    """Return the first network of `taken` that overlaps `block`."""
    return next((network for network in taken if network.overlaps(block)), None)


def _first_free(taken: list[Network]) -> Network:
    for candidate in CANDIDATES:
        if not meets(Network(candidate), taken):
            return Network(candidate)
    raise LocalError(
        f"Each of {', '.join(CANDIDATES)} overlaps a network of this machine: set {NETWORK_ENV} to a free /16."
    )


def _parse(text: str) -> Network:
    try:
        return Network(text)
    except ValueError as error:
        raise LocalError(f"{NETWORK_ENV} must be an IPv4 /16, such as {CANDIDATES[0]}, got {text!r}.") from error


def _saved() -> Layout | None:
    try:
        return Layout(block=Network(json.loads(_file().read_text())["block"]))
    except FileNotFoundError:
        return None


def _file() -> Path:
    return paths.home() / "network.json"


def _routes() -> list[Network]:
    """Return the IPv4 networks with a route on this machine, except the default and the cluster's own links."""
    output = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True
    ).stdout
    own = (NODE_LINK, "veth")
    routes = [route for route in json.loads(output or "[]") if not str(route.get("dev", "")).startswith(own)]
    return [Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"]

"""The cluster's addresses avoid the machine's networks, and don't change once they are chosen."""

import json
from pathlib import Path

import pytest

from local.cluster import layout
from local.cluster.layout import CANDIDATES, Layout, Network
from local.errors import LocalError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.delenv("AEGIS_NETWORK", raising=False)
    return tmp_path


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """The networks with a route on the machine."""
    taken: list[Network] = []
    monkeypatch.setattr(layout, "_routes", lambda: taken)
    return taken


def test_pods_services_and_node_share_no_address() -> None:
    chosen = Layout(block=Network("10.213.0.0/16"))
    node = Network(f"{chosen.node_ip}/32")
    assert not chosen.pods.overlaps(chosen.services)
    assert not chosen.pods.overlaps(node)
    assert not chosen.services.overlaps(node)
    assert all(each.subnet_of(chosen.block) for each in (chosen.pods, chosen.services, node))


def test_the_first_block_without_an_overlap_is_chosen_and_saved(routes: list[Network]) -> None:
    routes.append(Network("10.213.7.0/24"))
    assert layout.load().block == Network(CANDIDATES[1])
    routes.clear()
    assert layout.load().block == Network(CANDIDATES[1])


def test_a_later_route_that_overlaps_is_named(routes: list[Network]) -> None:
    layout.load()
    routes.append(Network("10.0.0.0/8"))
    with pytest.raises(LocalError, match=r"10\.213\.0\.0/16 overlaps 10\.0\.0\.0/8.*AEGIS_NETWORK.*make clean"):
        layout.load()


def test_if_no_block_is_free_the_tried_ones_are_named(routes: list[Network]) -> None:
    routes.append(Network("0.0.0.0/1"))
    routes.append(Network("128.0.0.0/1"))
    with pytest.raises(LocalError, match=CANDIDATES[-1]):
        layout.load()


@pytest.mark.parametrize("block", ["10.0.0.0/8", "10.9.0.0/24", "10.9.0.1/16", "fd00::/16", "much"])
def test_an_invalid_block_is_refused_with_the_allowed_form(
    routes: list[Network], monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    monkeypatch.setenv("AEGIS_NETWORK", block)
    with pytest.raises(LocalError, match=r"AEGIS_NETWORK.*/16"):
        layout.load()
    assert layout.known() is None


def test_a_block_other_than_the_saved_one_is_refused(routes: list[Network], monkeypatch: pytest.MonkeyPatch) -> None:
    layout.load()
    monkeypatch.setenv("AEGIS_NETWORK", "10.99.0.0/16")
    with pytest.raises(LocalError, match=r"created with 10\.213\.0\.0/16"):
        layout.load()


def test_the_saved_block_is_readable(routes: list[Network], home: Path) -> None:
    layout.load()
    assert json.loads((home / "network.json").read_text()) == {"block": CANDIDATES[0]}

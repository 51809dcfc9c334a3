"""Parts start in the order of their needs, and restart only if their program, arguments or files change."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cluster, paths, processes
from local.cluster import layout, lifecycle
from local.cluster.part import Part, flags, passed
from local.errors import LocalError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    yield tmp_path
    processes.stop([file.stem for file in paths.run().glob("*.pid")], grace_seconds=1)


def part(name: str, *after: str, program: str = "import time; time.sleep(60)") -> Part:
    return Part(name=name, argv=(sys.executable, "-c", program), after=after)


def test_a_part_starts_after_what_it_needs() -> None:
    parts = (part("kubelet", "apiserver", "containerd"), part("apiserver", "etcd"), part("containerd"), part("etcd"))
    names = [[each.name for each in wave] for wave in lifecycle.waves(parts)]
    assert names == [["containerd", "etcd"], ["apiserver"], ["kubelet"]]


def test_the_names_of_the_parts_are_known_before_the_cluster_was_up() -> None:
    assert {"etcd", "kube-apiserver", "containerd", "kubelet", "kube-router"} <= set(cluster.names())
    assert {health.state for health in cluster.health()} == {processes.State.STOPPED}


def test_no_two_parts_listen_on_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_routes", list)
    layout.load()
    addresses = [address for health in cluster.health() for address in health.addresses]
    assert len(addresses) == len(set(addresses)) > 5
    assert all(address.startswith(("127.0.0.1:", "10.213.255.1:")) for address in addresses)


def test_a_second_start_changes_nothing() -> None:
    assert lifecycle.start([part("one"), part("two")]) == ["one", "two"]
    first = processes.running("one")
    assert lifecycle.start([part("one"), part("two")]) == []
    assert processes.running("one") == first


def test_only_a_killed_part_is_restarted() -> None:
    lifecycle.start([part("one"), part("two")])
    killed = processes.running("one")
    assert killed
    processes.end([killed.pid], grace_seconds=0)
    assert lifecycle.start([part("one"), part("two")]) == ["one"]


def test_a_changed_file_restarts_its_part(tmp_path: Path) -> None:
    def configured(text: str) -> Part:
        files = {tmp_path / "config": text}
        return Part(name="one", argv=part("one").argv, files=lambda: files)

    lifecycle.start([configured("old")])
    assert lifecycle.start([configured("old")]) == []
    assert lifecycle.start([configured("new")]) == ["one"]
    assert (tmp_path / "config").read_text() == "new"


def test_a_part_that_ends_at_once_names_its_log() -> None:
    failing = part("broken", program="import sys; sys.exit('no such flag')")
    failing = Part(name="broken", argv=failing.argv, ready=lambda: "not yet")
    with pytest.raises(LocalError, match="broken ended as soon as it was started") as error:
        lifecycle.start([failing])
    assert error.value.log == paths.logs() / "broken.log"
    assert "no such flag" in (paths.logs() / "broken.log").read_text()


def test_a_part_that_is_never_ready_is_reported_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "READY_SECONDS", 0.2)
    waiting = Part(name="slow", argv=part("slow").argv, ready=lambda: "it waits for etcd")
    with pytest.raises(LocalError, match=r"slow is not ready after 0\.2 s: it waits for etcd"):
        lifecycle.start([waiting])


def test_a_used_port_is_reported_with_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        taken = Part(name="part", argv=part("part").argv, listens=(address,))
        with pytest.raises(LocalError, match=rf"part needs {address}, which .+ uses"):
            lifecycle.start([taken])
    assert processes.state("part") is processes.State.STOPPED


def test_a_port_on_all_addresses_is_used_on_each() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        assert lifecycle.port_holder(f"127.0.0.1:{server.getsockname()[1]}")
    assert lifecycle.port_holder("127.0.0.1:1") is None


def test_flags_have_the_form_that_the_parts_read() -> None:
    assert flags(bind_address="127.0.0.1", leader_elect=False, v=2) == (
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--v=2",
    )


def test_combined_checks_return_the_first_failure() -> None:
    assert passed(lambda: None, lambda: "second", lambda: "third")() == "second"
    assert passed(lambda: None)() is None

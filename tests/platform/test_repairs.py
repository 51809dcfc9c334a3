"""Repairs of the platform by `make up` after a kill, and a `make down` that leaves nothing but data."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cluster, paths, processes
from local.cluster import containers, layout
from local.processes import State
from tests.platform.conftest import up
from tests.platform.kubectl import Kubectl, eventually

WRITER = """
import pathlib, time
path = pathlib.Path('/data/starts')
path.write_text((path.read_text() if path.exists() else '') + 'x')
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def keeper(kubectl: Kubectl) -> Iterator[str]:
    """Run a pod that records each of its starts on its volume."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"}, "spec": claim},
        kubectl.pod(
            "keeper",
            WRITER,
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        ),
    )
    kubectl.wait("keeper")
    yield "keeper"
    kubectl("delete", "pod", "keeper")
    kubectl("delete", "persistentvolumeclaim", "kept")


def starts(kubectl: Kubectl) -> int:
    """Return the number of the keeper's starts, as recorded on its volume, or 0 while it can't be read."""
    return len(kubectl.python("keeper", "print(open('/data/starts').read())", check=False))


def status() -> tuple[int, dict[str, str]]:
    """Return the exit code of `make status` and the state of each part."""
    command = [sys.executable, "-m", "local.status", "--json"]
    result = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False)
    return result.returncode, {part["name"]: part["state"] for part in json.loads(result.stdout)["parts"]}


def kill(name: str) -> None:
    running = processes.running(name)
    assert running, f"{name} does not run"
    os.kill(running.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", cluster.names())
def test_a_killed_part_is_reported_and_restarted_while_pods_keep_running(
    kubectl: Kubectl, keeper: str, name: str
) -> None:
    before = starts(kubectl)
    others = {other: processes.running(other) for other in cluster.names() if other != name}
    kill(name)
    assert eventually(lambda: status()[1][name] == State.DEAD, seconds=10)
    up("--cluster-only")
    code, states = status()
    assert (code, set(states.values())) == (0, {State.RUNNING})
    assert {other: processes.running(other) for other in others} == others, "the other parts must not be restarted"
    assert eventually(lambda: starts(kubectl)) == before


def test_a_killed_shim_only_restarts_its_pod(kubectl: Kubectl, keeper: str) -> None:
    before = starts(kubectl)
    container = kubectl.json("get", "pod", keeper)["status"]["containerStatuses"][0]["containerID"].split("//")[1]
    pid = next(pid for pid in containers.members() if container in Path(f"/proc/{pid}/cgroup").read_text())
    shim = int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "PPid" in line).split()[1])
    os.kill(shim, signal.SIGKILL)
    assert eventually(lambda: starts(kubectl) == before + 1, seconds=120)


def test_down_leaves_no_process_mount_link_or_rule_and_up_restores_the_data(kubectl: Kubectl, keeper: str) -> None:
    before = eventually(lambda: starts(kubectl))
    subprocess.run([sys.executable, "-m", "local.down"], cwd=paths.REPOSITORY, check=True, capture_output=True)
    assert containers.members() == []
    assert containers.shims() == []
    assert containers.mounts_below(paths.home()) == containers.mounts_below(paths.runtime()) == []
    assert set(status()[1].values()) == {State.STOPPED}
    rules = "".join(subprocess.run([f"{family}-save"], capture_output=True, text=True, check=True).stdout
                    for family in ("iptables", "ip6tables"))  # fmt: skip
    assert not [line for line in rules.splitlines() if "KUBE-" in line or "AEGIS-" in line]
    links = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    assert layout.NODE_LINK not in {link["ifname"] for link in json.loads(links)}
    up("--cluster-only")
    # At first the API server reports what it knew before the reboot.
    eventually(lambda: starts(kubectl) > before, seconds=300)
    assert starts(kubectl) == before + 1


def test_a_second_up_starts_nothing(kubectl: Kubectl) -> None:
    before = {name: processes.running(name) for name in cluster.names()}
    up("--cluster-only")
    assert {name: processes.running(name) for name in cluster.names()} == before


def test_up_recovers_from_a_reboot(kubectl: Kubectl, keeper: str) -> None:
    """A reboot kills every process, and removes links, rules, mounts and /run."""
    before = eventually(lambda: starts(kubectl))
    for name in cluster.names():
        kill(name)
    cluster.forget_runtime()
    up("--cluster-only")
    # At first the API server reports what it knew before the reboot.
    eventually(lambda: starts(kubectl) > before, seconds=300)
    assert starts(kubectl) == before + 1


@pytest.fixture(scope="module", autouse=True)
def leave_it_running() -> Iterator[None]:
    """Bring the stack up after the tests, for the next ones: `make down` has closed its ports of localhost, too."""
    yield
    up()

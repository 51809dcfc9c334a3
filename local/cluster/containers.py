"""Stop all containers of the cluster, and remove what they leave on the machine: processes, mounts and cgroups.

Containers outlive containerd, each under its own shim. Ours are recognised by the cgroup that holds the pods, and by
the socket in the shim's arguments.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local import paths, processes
from local.cluster import node

# Long enough for a database to close its files.
GRACE_SECONDS = 20
SHIMS_SECONDS = 10


def end_all() -> None:
    """Ask the first process of every container to end, then kill the remaining ones, shims included.

    If containerd is running, it notices and cleans up its own records of the containers.
    """
    processes.end(_first_processes(), grace_seconds=GRACE_SECONDS)
    processes.end(members(), grace_seconds=0)
    deadline = time.monotonic() + SHIMS_SECONDS
    while shims() and time.monotonic() < deadline and processes.running("containerd"):
        time.sleep(0.2)
    processes.end(shims(), grace_seconds=2)


def make_cgroups() -> None:
    """Create the cgroup that holds the pods in each hierarchy (cgroup v1 has one for each controller)."""
    for hierarchy in _hierarchies():
        (hierarchy / node.CGROUP).mkdir(exist_ok=True)


def remove_cgroups() -> None:
    """Remove the cgroups, the inner ones first; a cgroup that still has a process stays."""
    for hierarchy in _hierarchies():
        top = hierarchy / node.CGROUP
        for folder in sorted([*top.rglob("*/"), top], key=lambda path: -len(path.parts)):
            with suppress(OSError):
                folder.rmdir()


def unmount_all() -> None:
    """Unmount everything that containers and pods mounted below the platform's folders, the innermost first."""
    for root in (paths.runtime(), paths.home()):
        for point in reversed(mounts_below(root)):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points below a folder, in the order in which they were mounted."""
    mounted = [_unescape(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in mounted if point.startswith(f"{folder.resolve()}/")]


def _unescape(point: str) -> str:
    """Decode a path of mountinfo, which has white space and backslashes in octal (proc(5))."""
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def members() -> list[int]:
    """Return every process in the pods' cgroup."""
    top = next((top for hierarchy in _hierarchies() if (top := hierarchy / node.CGROUP).exists()), None)
    if top is None:
        return []
    pids: set[int] = set()
    for file in top.rglob("cgroup.procs"):
        with suppress(OSError):
            pids.update(int(pid) for pid in file.read_text().split())
    return sorted(pids)


def _first_processes() -> list[int]:
    return [pid for pid in members() if _is_first(pid)]


def _is_first(pid: int) -> bool:
    """Return whether a process is the first of its container: pid 1 of a pid namespace below ours."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                inside = line.split()[1:]
                return len(inside) > 1 and inside[-1] == "1"
    return False


def shims() -> list[int]:
    """Return the shims of the cluster's containers."""
    return [pid for pid, argv in _command_lines() if "containerd-shim" in argv[0] and str(node.socket()) in argv]


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                yield int(folder.name), (folder / "cmdline").read_text().split("\0")


def _hierarchies() -> list[Path]:
    """Return the mount points of cgroup v2, or of each controller of cgroup v1 (but for the hybrid's unified one)."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    first = [Path(point) for _, point, kind, *_ in mounts if kind == "cgroup"]
    return first or [Path(point) for _, point, kind, *_ in mounts if kind == "cgroup2"]

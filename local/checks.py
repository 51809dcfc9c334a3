"""Checks of the machine before anything is started on it; each refusal says what it has and what it needs."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local import paths
from local.errors import LocalError

GIB = 1024**3
# Machines with 8 GB report slightly less.
MEMORY_BYTES = 7 * GIB
# The running platform without its images: etcd, volumes, logs and training data.
PLATFORM_DISK_BYTES = 5 * GIB
# The Go caches of the build and the tools that it produces; measured.
BUILD_DISK_BYTES = 20 * GIB
# Images are stored twice: by buildah and by containerd.
BUILDAH_DISK_BYTES = 8 * GIB
IMAGES_DISK_BYTES = 2 * BUILDAH_DISK_BYTES

# Modules that provide the kernel features; a kernel may have them built in.
KERNEL_MODULES = ("overlay", "ip_tables", "nf_conntrack", "ip_set", "veth", "bridge")


def root() -> None:
    """Refuse any user but root: only root may start containers and set up their network."""
    if os.geteuid() != 0:
        raise LocalError(f"This command needs root, but runs as user id {os.geteuid()}: run it with sudo.")


def memory() -> None:
    """Refuse a machine with too little memory for the platform and one training job."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < MEMORY_BYTES:
        raise LocalError(f"This machine has {_gib(total)} of memory, but the platform needs {_gib(MEMORY_BYTES)}.")


def disk(folder: Path, need: int, purpose: str) -> None:
    """Refuse when the disk that holds `folder` has less than `need` bytes free."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < need:
        raise LocalError(f"{existing} has {_gib(free)} free, but {purpose} needs {_gib(need)}.")


def kernel() -> None:
    """Load the kernel modules, and refuse a kernel without overlay file systems or cgroups."""
    if shutil.which("modprobe"):
        for module in KERNEL_MODULES:
            subprocess.run(["modprobe", "--quiet", module], check=False, capture_output=True)
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise LocalError("This kernel has no overlay file system: containers need it (CONFIG_OVERLAY_FS).")
    if not any(" cgroup" in line for line in Path("/proc/mounts").read_text().splitlines()):
        raise LocalError("No cgroup hierarchy is mounted below /sys/fs/cgroup: containers need one.")


def commands(names: Iterable[str]) -> None:
    """Refuse a machine without programs that can't be built here."""
    if absent := [name for name in names if not shutil.which(name)]:
        raise LocalError(f"Not on PATH: {', '.join(absent)}. Install the Debian packages that contain them.")


def machine() -> None:
    """Run every check that does not depend on what must still be built."""
    root()
    memory()
    kernel()
    disk(paths.home(), PLATFORM_DISK_BYTES, "the platform's state")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"

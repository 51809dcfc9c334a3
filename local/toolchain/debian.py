"""The Debian packages that the embedded platform and its tests need, installed by apt without starting services.

A package counts as present if its required file exists, from whatever source, because Docker's own containerd must not
be replaced. Tools that can be built from a Go module don't come from Debian, see `catalogue`.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts import POSTGRES_MAJOR
from local import paths, progress
from local.errors import LocalError

POLICY = Path("/usr/sbin/policy-rc.d")
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: 101 forbids the requested action.
POLICY_TEXT = "#!/bin/sh\n# Of Aegis, while it installs packages: none of them starts a service.\nexit 101\n"
_ABOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A Debian package, and the command or the absolute path of the file that it must provide."""

    name: str
    provides: str
    purpose: str
    tests_only: bool = False

    def is_present(self) -> bool:
        """Return whether the required command or file exists."""
        system = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        return (
            Path(self.provides).exists()
            if self.provides.startswith("/")
            else bool(shutil.which(self.provides, path=system))
        )


PACKAGES = (
    Package(name="containerd", provides="containerd", purpose="runs the containers"),
    Package(name="runc", provides="runc", purpose="starts a container's processes"),
    Package(
        name="containernetworking-plugins", provides="/usr/lib/cni/bridge", purpose="connects a pod to the network"
    ),
    Package(name="iproute2", provides="ip", purpose="sets up the node's network"),
    Package(name="iptables", provides="iptables", purpose="routes services and enforces network policies"),
    Package(name="ipset", provides="ipset", purpose="holds the addresses of network policies"),
    Package(name="buildah", provides="buildah", purpose="builds the images"),
    Package(name="debootstrap", provides="debootstrap", purpose="makes the base of the images"),
    Package(
        name="debian-archive-keyring",
        provides="/usr/share/keyrings/debian-archive-keyring.gpg",
        purpose="verifies the packages in the base of the images",
    ),
    Package(
        name=f"postgresql-{POSTGRES_MAJOR}",
        provides=f"/usr/lib/postgresql/{POSTGRES_MAJOR}/bin/initdb",
        purpose="is the database of the backup tests",
        tests_only=True,
    ),
    Package(
        name=f"postgresql-client-{POSTGRES_MAJOR}",
        provides=f"/usr/lib/postgresql/{POSTGRES_MAJOR}/bin/pg_dump",
        purpose="dumps and restores in the backup tests",
        tests_only=True,
    ),
    Package(name="uidmap", provides="newuidmap", purpose="lets the tests build without root", tests_only=True),
    Package(name="openssl", provides="openssl", purpose="verifies our signatures in the tests", tests_only=True),
    Package(name="chromium", provides="chromium", purpose="opens the pages in the tests", tests_only=True),
    Package(
        name="chromium-driver", provides="chromedriver", purpose="drives the browser in the tests", tests_only=True
    ),
    Package(
        name="fonts-dejavu-core",
        provides="/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        purpose="is the font of the pages in the tests",
        tests_only=True,
    ),
    Package(name="nginx-light", provides="nginx", purpose="stands in for an ingress in the tests", tests_only=True),
    Package(name="curl", provides="curl", purpose="asks the servers in the tests", tests_only=True),
)


def missing_packages(*, tests: bool = False) -> list[str]:
    """Return the names of the missing packages; with `tests`, including those that only the tests need."""
    return [package.name for package in PACKAGES if (tests or not package.tests_only) and not package.is_present()]


def install(names: Sequence[str]) -> None:
    """Install packages with apt-get, without starting services or removing other packages.

    Raises:
        LocalError: This isn't a Debian system, the user isn't root, or apt can't find or install a package.
    """
    if not names:
        return
    package_list = " ".join(names)
    if not shutil.which("apt-get"):
        raise LocalError(
            f"This system has no apt-get: install its equivalents of Debian's {package_list} by other means."
        )
    if os.geteuid() != 0:
        raise LocalError(f"Packages are missing and only root can install them: sudo apt-get install {package_list}")
    log = paths.logs() / "apt.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install_command = ["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove"]
    with progress.step(f"Installing {', '.join(names)}", about_seconds=_ABOUT_SECONDS), _no_services():
        progress.run(["apt-get", "update"], log=log, env=env)
        try:
            progress.run([*install_command, "-o", "DPkg::Lock::Timeout=300", *names], log=log, env=env)
        except LocalError as error:
            raise LocalError(f"apt-get couldn't install {package_list}: {_reason(log)}", log) from error


def _reason(log: Path) -> str:
    errors = [line.removeprefix("E: ") for line in progress.tail(log) if line.startswith("E: ")]
    return " ".join(errors) or "see its log"


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services. A policy that the machine already has stays in place."""
    ours = not POLICY.exists() or POLICY.read_text() == POLICY_TEXT
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)

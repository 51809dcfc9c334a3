"""The Debian packages that the embedded platform and its tests run, installed by apt without starting a service.

A package counts as present when the file that is wanted of it is there, whoever put it there: Docker's own containerd,
for one, must not be replaced. What can be built from a Go module is not taken from Debian, see `catalogue`.
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
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: 101 forbids what a package asks for.
POLICY_TEXT = "#!/bin/sh\n# Of Aegis, while it installs packages: none of them starts a service.\nexit 101\n"
_ABOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A Debian package, and the command, or the absolute path of the file, that is wanted of it."""

    name: str
    wanted: str
    purpose: str
    tests_only: bool = False

    def is_present(self) -> bool:
        """Tell whether what is wanted of the package is there."""
        system = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        return (
            Path(self.wanted).exists() if self.wanted.startswith("/") else bool(shutil.which(self.wanted, path=system))
        )


PACKAGES = (
    Package(name="containerd", wanted="containerd", purpose="runs the containers"),
    Package(name="runc", wanted="runc", purpose="starts a container's processes"),
    Package(name="containernetworking-plugins", wanted="/usr/lib/cni/bridge", purpose="connects a pod to the network"),
    Package(name="iproute2", wanted="ip", purpose="sets up the node's network"),
    Package(name="iptables", wanted="iptables", purpose="routes services and enforces network policies"),
    Package(name="ipset", wanted="ipset", purpose="holds the addresses of network policies"),
    Package(name="buildah", wanted="buildah", purpose="builds the images"),
    Package(name="debootstrap", wanted="debootstrap", purpose="makes the images' base"),
    Package(
        name="debian-archive-keyring",
        wanted="/usr/share/keyrings/debian-archive-keyring.gpg",
        purpose="verifies what the images' base is made of",
    ),
    Package(
        name=f"postgresql-{POSTGRES_MAJOR}",
        wanted=f"/usr/lib/postgresql/{POSTGRES_MAJOR}/bin/initdb",
        purpose="is the database of the backup tests",
        tests_only=True,
    ),
    Package(
        name=f"postgresql-client-{POSTGRES_MAJOR}",
        wanted=f"/usr/lib/postgresql/{POSTGRES_MAJOR}/bin/pg_dump",
        purpose="dumps and restores in the backup tests",
        tests_only=True,
    ),
    Package(name="uidmap", wanted="newuidmap", purpose="lets the tests build without root", tests_only=True),
    Package(name="openssl", wanted="openssl", purpose="verifies our signatures in the tests", tests_only=True),
    Package(name="chromium", wanted="chromium", purpose="opens the pages in the tests", tests_only=True),
    Package(name="chromium-driver", wanted="chromedriver", purpose="drives the browser in the tests", tests_only=True),
    Package(
        name="fonts-dejavu-core",
        wanted="/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        purpose="is what pages are written in",
        tests_only=True,
    ),
    Package(name="nginx-light", wanted="nginx", purpose="stands in for an ingress in the tests", tests_only=True),
    Package(name="curl", wanted="curl", purpose="asks the servers in the tests", tests_only=True),
)


def missing_packages(*, tests: bool = False) -> list[str]:
    """Return the names of the packages that this machine lacks; with `tests` also those that only the tests need."""
    return [package.name for package in PACKAGES if (tests or not package.tests_only) and not package.is_present()]


def install(names: Sequence[str]) -> None:
    """Install packages with apt-get; no service is started, and no installed package is removed for them.

    Raises:
        LocalError: This is not a Debian system, we are not root, or apt can't find or install a package.
    """
    if not names:
        return
    listed = " ".join(names)
    if not shutil.which("apt-get"):
        raise LocalError(f"This system has no apt-get: install what it calls Debian's {listed} by its own means.")
    if os.geteuid() != 0:
        raise LocalError(f"Packages are missing and only root can install them: sudo apt-get install {listed}")
    log = paths.logs() / "apt.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install_command = ["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove"]
    with progress.step(f"Installing {', '.join(names)}", about_seconds=_ABOUT_SECONDS), _no_services():
        progress.run(["apt-get", "update"], log=log, env=env)
        try:
            progress.run([*install_command, "-o", "DPkg::Lock::Timeout=300", *names], log=log, env=env)
        except LocalError as error:
            raise LocalError(f"apt-get could not install {listed}: {_reason(log)}", log) from error


def _reason(log: Path) -> str:
    errors = [line.removeprefix("E: ") for line in progress.tail(log) if line.startswith("E: ")]
    return " ".join(errors) or "see its log"


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services; a machine with a policy of its own keeps that."""
    ours = not POLICY.exists() or POLICY.read_text() == POLICY_TEXT
    if ours:
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)

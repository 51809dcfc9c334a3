"""An unprivileged user of this machine who has the repository, a Python and a home, but no access to root's files."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local import paths

NAME = "aegis-guest"
# Mount the folders read-only in a separate mount namespace per command, so that the guest can read them wherever they
# are.
_MOUNTS = """
for pair in "$@"; do
  [ "$pair" = -- ] && break
  mount --bind "${pair%%=*}" "${pair#*=}" && mount -o remount,ro,bind "${pair#*=}" || exit 1
  shift
done
shift
cd "$GUEST_HOME/aegis" && exec setpriv --reuid="$GUEST" --regid="$GUEST" --init-groups --reset-env "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Guest:
    """The user and their environment variables."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the repository with the arguments `command`, such as `-m local.status`."""
        folders = self._folders()
        for target in folders.values():
            target.mkdir(exist_ok=True)
        library = folders[Path(sys.base_prefix)] / "lib"
        packages = next(target for source, target in folders.items() if source.name == "site-packages")
        settings = {
            "PYTHONPATH": f"{self.home / 'aegis'}:{packages}",
            "LD_LIBRARY_PATH": str(library),
            **self.environment,
            **variables,
        }
        python = library.parent / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        return subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTS, "sh"),
                *(f"{source}={target}" for source, target in folders.items()),
                *("--", "env", *(f"{name}={value}" for name, value in settings.items()), str(python), *command),
            ],
            env={"PATH": os.environ["PATH"], "GUEST": NAME, "GUEST_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def _folders(self) -> dict[Path, Path]:
        packages = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
        return {
            paths.REPOSITORY: self.home / "aegis",
            Path(sys.base_prefix): self.home / "python",
            packages: self.home / "packages",
        }

    def give(self, source: Path, name: str) -> None:
        """Copy one of root's files to the guest's home and make them its owner."""
        target = self.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        subprocess.run(["chown", "-R", f"{NAME}:", self.home], check=True)


@contextmanager
def guest() -> Iterator[Guest]:
    """Create the user with subordinate ids, and delete them and their files at the end."""
    _remove()
    _system("useradd", "--create-home", NAME)
    try:
        if not any(line.startswith(f"{NAME}:") for line in Path("/etc/subuid").read_text().splitlines()):
            _system("usermod", "--add-subuids", "300000-365535", "--add-subgids", "300000-365535", NAME)
        yield Guest(home=Path(pwd.getpwnam(NAME).pw_dir))
    finally:
        _remove()


def _remove() -> None:
    if any(user.pw_name == NAME for user in pwd.getpwall()):
        home = pwd.getpwnam(NAME).pw_dir
        _system("userdel", NAME)
        shutil.rmtree(home, ignore_errors=True)


def _system(*command: str | Path, check: Sequence[int] = (0,)) -> None:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode in check, f"{command}: {process.stderr}"

"""The claim of one home on the machine's only link, runtime folder and firewall chains.

A machine can have several homes, such as one for tests, but run the cluster of only one at a time.
"""

from pathlib import Path

from local import paths
from local.errors import LocalError
from local.processes import write_whole


def take() -> None:
    """Claim the machine for this home.

    Raises:
        LocalError: The cluster of another home is up; says how to stop it.
    """
    holder = _holder()
    if holder not in (None, paths.home()):
        raise LocalError(f"The platform of {holder} is up: run `AEGIS_HOME={holder} make down` first.")
    write_whole(_file(), str(paths.home()))


def is_others() -> bool:
    """Return whether the cluster of another home is up; its network and mounts must be left alone."""
    return _holder() not in (None, paths.home())


def _holder() -> Path | None:
    """Return the home that has the claim; a deleted home has lost it."""
    if not _file().exists():
        return None
    home = Path(_file().read_text())
    return home if home.exists() else None


def _file() -> Path:
    return paths.runtime() / "home"

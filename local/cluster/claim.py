"""The claim of one home on the machine's only link, runtime folder and firewall chains.

A machine can have several homes, such as one for tests, but run the cluster of only one at a time. The claim lasts as
long as a process of its home runs: a platform that was killed leaves no other locked out.
"""

from pathlib import Path

from local import paths, processes
from local.errors import LocalError
from local.processes import write_whole


def take() -> None:
    """Claim the machine for this home.

    Raises:
        LocalError: The cluster of another home is up; says how to stop it.
    """
    if is_others():
        holder = _holder()
        raise LocalError(f"The platform of {holder} is up: run `AEGIS_HOME={holder} make down` first.")
    write_whole(_file(), str(paths.home()))


def is_others() -> bool:
    """Return whether the cluster of another home is up; its network and mounts must be left alone."""
    holder = _holder()
    return holder not in (None, paths.home()) and processes.any_runs(holder / paths.run().name)


def is_abandoned() -> bool:
    """Return whether the cluster of another home was killed or its home deleted, but its network is left."""
    return _holder() not in (None, paths.home()) and not is_others()


def _holder() -> Path | None:
    return Path(_file().read_text()) if _file().exists() else None


def _file() -> Path:
    return paths.runtime() / "home"

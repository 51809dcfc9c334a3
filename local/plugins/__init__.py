"""Stand-ins for the official Pulumi provider plugins, for machines where the engine can't get those.

Each serves the resource types that this project uses under the official names, inputs and outputs, so that a program
can't tell. This module only decides which are needed and where they are; `process` serves one.
"""

import os
import shutil
from pathlib import Path
from typing import Final

# The versions of the Python packages that the program imports, which are those that the engine asks for.
EMBEDDED: Final = {"aws": "7.51.1", "kubernetes": "4.28.0", "random": "4.19.1", "vault": "7.7.0"}

_BIN: Final = Path(__file__).resolve().parent / "bin"


def official_available(name: str, version: str, pulumi_home: Path | None = None) -> bool:
    """Whether the engine finds the official plugin: on PATH, or installed for this version under Pulumi's home."""
    home = pulumi_home or Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    program = f"pulumi-resource-{name}"
    installed = home / "plugins" / f"resource-{name}-v{version}" / program
    # A link to another checkout's is no official one either: a home outlives checkouts.
    if installed.is_file() and not installed.resolve().match(f"local/plugins/bin/*/{program}"):
        return True
    outside = os.pathsep.join(
        folder for folder in os.environ.get("PATH", "").split(os.pathsep) if not Path(folder).is_relative_to(_BIN)
    )
    return shutil.which(program, path=outside) is not None


def missing(pulumi_home: Path | None = None) -> dict[str, str]:
    """Return the packages whose official plugin can't be had, with their versions."""
    return {name: version for name, version in EMBEDDED.items() if not official_available(name, version, pulumi_home)}


def install(pulumi_home: Path) -> list[str]:
    """Put links to those that are missing under Pulumi's home, and return their names.

    The engine then takes them without a word, where for each one on PATH it warns with every command. An official one
    that is installed later by `pulumi plugin install --reinstall` takes the link's place.
    """
    absent = missing(pulumi_home)
    for name, version in absent.items():
        folder = pulumi_home / "plugins" / f"resource-{name}-v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        program = f"pulumi-resource-{name}"
        # Commands that run at the same time each put their own link there.
        link = folder / f".{program}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(_BIN / name / program)
        link.replace(folder / program)
    return list(absent)


def explanation(pulumi_home: Path | None = None) -> str:
    """Return one line for the user: which plugins are embedded, and why."""
    absent = missing(pulumi_home)
    if not absent:
        return "Pulumi plugins: the official ones."
    names = ", ".join(f"{name} {version}" for name, version in absent.items())
    return f"Pulumi plugins: embedded ones for {names}, which are neither on PATH nor in Pulumi's home."

"""Stand-ins for the official Pulumi provider plugins, for machines where the engine can't download them.

Each serves the resource types that this project uses, with the official names, inputs and outputs, so that a program
can't tell the difference. This module decides which plugins are needed and where they are; `process` serves one.
"""

import os
import shutil
from pathlib import Path
from typing import Final

# The engine asks for the versions of the Python packages that the program imports.
EMBEDDED: Final = {"aws": "7.51.1", "kubernetes": "4.28.0", "random": "4.19.1", "vault": "7.7.0"}

_BIN: Final = Path(__file__).resolve().parent / "bin"


def official_available(name: str, version: str, pulumi_home: Path | None = None) -> bool:
    """Return whether the engine finds the official plugin, on PATH or installed under Pulumi's home in this version."""
    home = pulumi_home or Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    program = f"pulumi-resource-{name}"
    installed = home / "plugins" / f"resource-{name}-v{version}" / program
    # A link to the embedded plugin of another checkout isn't official either: Pulumi's home outlives checkouts.
    if installed.is_file() and not installed.resolve().match(f"local/plugins/bin/*/{program}"):
        return True
    outside = os.pathsep.join(
        folder for folder in os.environ.get("PATH", "").split(os.pathsep) if not Path(folder).is_relative_to(_BIN)
    )
    return shutil.which(program, path=outside) is not None


def missing(pulumi_home: Path | None = None) -> dict[str, str]:
    """Return the packages whose official plugin isn't available, with their versions."""
    return {name: version for name, version in EMBEDDED.items() if not official_available(name, version, pulumi_home)}


def install(pulumi_home: Path) -> list[str]:
    """Link the embedded plugins that are needed into Pulumi's home, and return their names.

    The engine warns about every plugin on PATH with each command, but not about installed ones. An official plugin that
    is installed later by `pulumi plugin install --reinstall` replaces the link.
    """
    absent = missing(pulumi_home)
    for name, version in absent.items():
        folder = pulumi_home / "plugins" / f"resource-{name}-v{version}"
        folder.mkdir(parents=True, exist_ok=True)
        program = f"pulumi-resource-{name}"
        # Commands may run at the same time, so each creates its own link and renames it.
        link = folder / f".{program}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(_BIN / name / program)
        link.replace(folder / program)
    return list(absent)


def explanation(pulumi_home: Path | None = None) -> str:
    """Return one line for the user that says which plugins are embedded, and why."""
    absent = missing(pulumi_home)
    if not absent:
        return "Pulumi plugins: the official ones."
    names = ", ".join(f"{name} {version}" for name, version in absent.items())
    return f"Pulumi plugins: embedded ones for {names}; the official ones are neither on PATH nor in Pulumi's home."

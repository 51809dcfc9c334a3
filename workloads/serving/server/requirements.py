"""Whether this Python environment can run a model: its requirements.txt beside the installed packages."""

import argparse
import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from contracts import Exit
from workloads.cli import WorkloadError

# Written by MLflow into each model's folder.
_FILE: Final = "requirements.txt"
_OPTION: Final = "--ignore-requirements"

_log = logging.getLogger(__name__)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that ignores the check."""
    parser.add_argument(
        _OPTION, action="store_true", help="use the model although its requirements and the installed packages differ"
    )


def check(folder: Path, *, ignore: bool = False) -> None:
    """Check that each package that the model in `folder` requires is installed, in a version with the same major.

    Models pin every package to the patch, and MLflow only warns of differences; those of a major version break models.

    Raises:
        WorkloadError: One is missing or has another major version. If `ignore` is set, that is only logged.
    """
    problems = "; ".join(differences(_text(folder)))
    if not problems:
        return
    message = f"This environment can't run the model: {problems}"
    if not ignore:
        raise WorkloadError(
            f"{message}. Log it with `pip_requirements` that are installed. By hand, {_OPTION} uses it nevertheless.",
            Exit.USAGE,
        )
    _log.warning("%s. It is used nevertheless.", message)


def differences(requirements: str) -> Iterator[str]:
    """Yield what is missing or too different for a requirements.txt, each with its name and both versions."""
    for line in requirements.splitlines():
        text = line.partition(" #")[0].strip()
        # Options of pip, such as the path of a file with constraints, name no package.
        if not text or text.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            _log.warning("The model's requirement %r isn't checked: it names no package.", text)
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            yield from _difference(requirement)


def _difference(requirement: Requirement) -> Iterator[str]:
    wanted = f"{requirement.name}{requirement.specifier}"
    try:
        installed = Version(version(requirement.name))
    except PackageNotFoundError:
        yield f"it needs {wanted}, which isn't installed"
    else:
        if not _fits(requirement.specifier, installed):
            yield f"it needs {wanted}, and {installed} is installed"


def _fits(wanted: SpecifierSet, installed: Version) -> bool:
    return wanted.contains(installed, prereleases=True) or installed.major in set(_majors(wanted))


def _majors(wanted: SpecifierSet) -> Iterator[int]:
    """Yield the major version of each bound."""
    for specifier in wanted:
        try:
            bound = Version(specifier.version.removesuffix(".*"))
        # An arbitrary string after `===`.
        except InvalidVersion:
            continue
        # `<3` means major version 2, and `!=3.1` no version.
        if specifier.operator != "!=":
            yield bound.major - (specifier.operator == "<" and not any(bound.release[1:]))


def _text(folder: Path) -> str:
    try:
        return (folder / _FILE).read_text()
    # A model without requirements claims none.
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{folder / _FILE} can't be read: {error}", Exit.USAGE) from error

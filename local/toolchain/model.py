"""What is told of a tool and of the module that it is built from."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.errors import LocalError

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The versions of a tool on PATH that stand in for ours: from `at_least`, up to but without `below`.

    `command` is what makes the tool tell its version.
    """

    at_least: tuple[int, int]
    below: tuple[int, int]
    command: tuple[str, ...] = ("--version",)

    def __post_init__(self) -> None:
        if self.at_least >= self.below:
            raise ValueError(f"at_least is {self.at_least}, below is {self.below}: the first must be the smaller one")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """An executable: `package` is its Go main package, `source` the Go module whose version is the tool's.

    Without `accepted` or `beside` only the one built here will do, as for all that is copied into an image.
    """

    name: str
    purpose: str
    # To build it on 2 cores, once what its module's tools before it share with it is built.
    about_seconds: int
    source: str = ""
    package: str = ""
    # Instead of a package: the path of a script within `source`.
    script: str = ""
    # Go variables that are set when linking, as "path.Name={version}"; also {major} and {minor}.
    variables: tuple[str, ...] = ()
    accepted: Accepted | None = None
    # Of a tool that fits another one's version only: that other tool, beside which it must lie on PATH.
    beside: str = ""

    def __post_init__(self) -> None:
        if bool(self.package) == bool(self.script):
            raise ValueError(
                f"{self.name} has package {self.package!r} and script {self.script!r}: give one of the two"
            )

    @property
    def built_as(self) -> str:
        """Return the name that `go build` gives the executable: the package's last part that is no version."""
        path = PurePosixPath(self.package)
        return path.parent.name if re.fullmatch(r"v\d+", path.name) else path.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A folder here whose `go.mod` pins what its tools are built from, with one set of versions of their libraries."""

    folder: str
    tools: tuple[Tool, ...]
    tags: str = ""

    @property
    def path(self) -> Path:
        """Return the folder of the `go.mod`."""
        return FOLDER / self.folder

    def go_mod(self) -> str:
        """Return the text of `go.mod`."""
        return (self.path / "go.mod").read_text()

    def version(self, tool: Tool) -> str:
        """Return the version of the tool's source that `go.mod` pins, as v1.2.3; empty for a program of our own."""
        if not tool.source:
            return ""
        pinned = re.search(rf"^(?:require)?\s*{re.escape(tool.source)} (v\S+)", self.go_mod(), re.MULTILINE)
        if pinned is None:
            raise LocalError(f"{self.path / 'go.mod'} doesn't require {tool.source}.")
        return pinned[1]

    def needs_go(self) -> str:
        """Return the oldest version of Go that builds this, as 1.25.5."""
        directive = re.search(r"^go (\S+)", self.go_mod(), re.MULTILINE)
        if directive is None:
            raise LocalError(f"{self.path / 'go.mod'} has no go directive.")
        return directive[1]

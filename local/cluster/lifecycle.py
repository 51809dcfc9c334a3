"""Start the cluster's parts in the order of their needs, and wait until each is ready."""

import graphlib
import subprocess
import time
from collections.abc import Iterable, Mapping

from local import paths, processes
from local.cluster.part import Part
from local.errors import LocalError
from local.processes import State

READY_SECONDS = 90
POLL_SECONDS = 0.1
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def waves(parts: Iterable[Part]) -> list[list[Part]]:
    """Return the parts in groups; each part needs only parts of earlier groups."""
    by_name = {part.name: part for part in parts}
    # Needed parts that are not in `parts` are started elsewhere.
    order = graphlib.TopologicalSorter(
        {name: [needed for needed in part.after if needed in by_name] for name, part in by_name.items()}
    )
    order.prepare()
    groups: list[list[Part]] = []
    while order.is_active():
        names = order.get_ready()
        groups.append([by_name[name] for name in sorted(names)])
        order.done(*names)
    return groups


def start(parts: Iterable[Part]) -> list[str]:
    """Start parts that don't run, restart those with an older configuration, and wait until all are ready.

    Return the names of the parts that were started.

    Raises:
        LocalError: A part ended or was not ready in time; names its log.
    """
    started: list[str] = []
    for wave in waves(parts):
        fresh = [part for part in wave if _start_one(part)]
        started += [part.name for part in fresh]
        for part in wave:
            _wait(part)
    return started


def _start_one(part: Part) -> bool:
    part.write_files()
    fingerprint = part.fingerprint()
    running = processes.running(part.name)
    if running and running.fingerprint == fingerprint:
        return False
    processes.stop([part.name])
    for address in part.listens:
        if holder := port_holder(address):
            raise LocalError(f"{part.name} needs {address}, which {holder} uses: stop it, {part.remedy}.")
    processes.start(part.name, part.argv, env={**_environment(), **part.env}, fingerprint=fingerprint)
    return True


def _wait(part: Part) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        if not processes.running(part.name):
            raise LocalError(f"{part.name} ended as soon as it was started", processes.log_file(part.name))
        reason = part.ready()
        if reason is None:
            return
        if time.monotonic() > deadline:
            raise LocalError(
                f"{part.name} is not ready after {READY_SECONDS} s: {reason}", processes.log_file(part.name)
            )
        time.sleep(POLL_SECONDS)


def health(part: Part) -> tuple[State, str | None]:
    """Return the state of a part and, if it runs but is not ready, the reason."""
    state = processes.state(part.name)
    return state, part.ready() if state is State.RUNNING else None


def port_holder(address: str) -> str | None:
    """Return the process that listens on `host:port` or on all addresses, as `name (process 123)`; None if free."""
    host, port = address.rsplit(":", 1)
    output = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    for line in output.splitlines():
        fields = line.split()
        if fields[3].rsplit(":", 1)[0] in {host, "0.0.0.0", "*", "[::]"}:  # noqa: S104
            return _holder(line)
    return None


def _holder(line: str) -> str:
    """Return the process of a line of `ss`, whose last field is `users:(("name",pid=1,fd=2))`."""
    _, found, users = line.partition('users:(("')
    if not found:
        return "another process"
    name, _, rest = users.partition('",pid=')
    return f"{name} (process {rest.split(',')[0]})"


def _environment() -> Mapping[str, str]:
    """Return the parts' environment variables; the caller's, such as proxies, don't apply to them."""
    return {
        "PATH": SYSTEM_PATH,
        "HOME": str(paths.home()),
        "LANG": "C.UTF-8",
    }

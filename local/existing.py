"""An existing cluster of the user's kubeconfig: what it takes to run a stack there is checked, built and delivered.

Nothing here needs root, and nothing is left outside of the platform's own folders.
"""

import json
import os
import subprocess
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import contracts
from local import checks, images, kubeconfig, paths, program, progress, toolchain
from local.errors import LocalError
from local.images import buildah, destination, workshop
from local.images.destination import Destination
from local.images.workshop import Workshop
from local.kubeconfig import Context
from local.processes import write_whole

# Of a request whose answer takes none: a cluster that is far away answers within these.
_ANSWER_SECONDS = 15
# The namespace that every cluster has, and that is made with it: its id tells one cluster from another.
_OLDEST_NAMESPACE = "kube-system"


def up(name: str) -> None:
    """Make ready what a stack needs on the cluster of the context `name`: the tools here, and the images there.

    Raises:
        LocalError: Something is missing that the user has to give, or a step failed; names its log.
    """
    context = kubeconfig.find(name)
    given = _given_images()
    # Told before anything is built.
    place = None if given else destination.choose(context, partial(_held, context))
    shop = None if given else workshop.choose()
    refuse_another(name)
    if place is None or shop is None:
        return
    _announce(shop, place)
    references = images.deliver(contracts.IMAGES, shop, place)
    write_whole(paths.images_file(), json.dumps(references, indent=2))


def deliver(name: str, wanted: Sequence[str]) -> dict[str, str]:
    """Build images and bring them to the cluster of the context `name`; return what its pods call each.

    Raises:
        LocalError: As `up` does.
    """
    context = kubeconfig.find(name)
    return images.deliver(wanted, workshop.choose(), destination.choose(context, partial(_held, context)))


def absent(name: str, wanted: Sequence[str]) -> dict[str, int]:
    """Return which of the images `deliver` would bring there, with about how many seconds their builds take."""
    context = kubeconfig.find(name)
    shop = workshop.choose()
    there = images.absent(wanted, shop, destination.choose(context, partial(_held, context)))
    return dict.fromkeys(there, 0) | images.missing(there, shop)


def refuse_another(name: str) -> None:
    """Refuse a cluster that does not answer, and one that has taken the place of the one that a stack was made on.

    Raises:
        LocalError: Says what to do about it.
    """
    identity = _identity(kubeconfig.find(name))
    file = paths.cluster_file()
    known = json.loads(file.read_text()) if file.exists() else None
    if known is None:
        write_whole(file, json.dumps({"context": name, "cluster": identity}))
    elif known["cluster"] != identity:
        raise LocalError(
            f"{name} is another cluster than the one that this platform's state is of, which was made anew since: "
            f"`{contracts.CONTEXT_ENV}={name} make clean` forgets that state."
        )


def _identity(context: Context) -> str:
    """Return what tells a cluster from all others, and that it answers.

    Raises:
        LocalError: It doesn't; repeats kubectl's reason.
    """
    command = [*_kubectl(context), "get", "namespace", _OLDEST_NAMESPACE, "--output=jsonpath={.metadata.uid}"]
    asked = subprocess.run(
        [*command, f"--request-timeout={_ANSWER_SECONDS}s"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        reason = next((line for line in reversed(asked.stderr.splitlines()) if line.strip()), "no reason told")
        raise LocalError(f"The cluster of the context {context.name} in {context.file} does not answer: {reason}")
    return asked.stdout


def _kubectl(context: Context) -> list[str | Path]:
    program_file = toolchain.ensure("kubectl")["kubectl"]
    return [program_file, f"--kubeconfig={context.file}", f"--context={context.name}"]


def _held(context: Context) -> Collection[str]:
    return destination.images_on_nodes(_kubectl(context))


def _given_images() -> Path | None:
    """Return the file of images that the user gives, with which nothing is to be built; None without one.

    Raises:
        LocalError: It isn't what it should be; tells which images it lacks.
    """
    given = os.environ.get(contracts.IMAGES_FILE_ENV)
    if not given or Path(given) == paths.images_file():
        return None
    try:
        named = json.loads(Path(given).read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"{contracts.IMAGES_FILE_ENV} is {given}, which is no readable JSON file: {error}") from None
    lacking = [name for name in contracts.IMAGES if not isinstance(named, dict) or name not in named]
    if lacking:
        raise LocalError(f"{contracts.IMAGES_FILE_ENV} is {given}, which doesn't name {', '.join(lacking)}.")
    return Path(given)


def _announce(shop: Workshop, place: Destination) -> None:
    """Say what will be built and where it goes; build the tools; refuse when the disk can't hold the images."""
    needed = (*program.TOOLS, *images.programs(contracts.IMAGES))
    if unbuilt := toolchain.missing(*needed):
        about = progress.duration(toolchain.about_seconds(unbuilt))
        progress.say(f"To build: {', '.join(unbuilt)} (about {about})")
    absent = images.absent(contracts.IMAGES, shop, place)
    if absent:
        progress.say(f"To bring to {place.described()}: images {', '.join(absent)}")
    wanted = images.missing(absent, shop)
    if wanted:
        about = progress.duration(sum(wanted.values()))
        progress.say(f"To build with {shop.builder.name}: images {', '.join(wanted)} (about {about})")
        if shop.builder is buildah:
            checks.disk(paths.cache(), checks.BUILDAH_DISK_BYTES, "building the images")
    toolchain.ensure(*needed)

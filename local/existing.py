"""An existing cluster of the user's kubeconfig: what it takes to run a stack there is checked, built and delivered.

Nothing here needs root, and nothing is left outside of the platform's own folders.
"""

import json
import os
import subprocess
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import contracts
from local import checks, images, kubeconfig, paths, program, progress, stacks, toolchain
from local.cluster import workloads
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
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def up(name: str) -> None:
    """Make ready what a stack needs on the cluster of the context `name`: the tools here, and the images there.

    Raises:
        LocalError: Something is missing that the user has to give, or a step failed; names its log.
    """
    context = kubeconfig.find(name)
    references = _given_images()
    if references is not None:
        get_to_know(name)
        _refuse_what_is_anothers(context)
        toolchain.ensure(*program.TOOLS)
    else:
        # All that may be refused is refused before anything is built.
        place, shop = destination.choose(context, partial(_held, context)), workshop.choose()
        get_to_know(name)
        _refuse_what_is_anothers(context)
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


def get_to_know(name: str) -> None:
    """Note which cluster a context is of, the first time; later refuse one that has taken its place.

    The class of its volumes is noted, too: a cluster's default may change, and that of a volume that is there can't.

    Raises:
        LocalError: The cluster is another one, or does not answer.
    """
    context = kubeconfig.find(name)
    identity = _ask(context, "get", "namespace", _OLDEST_NAMESPACE, "--output=jsonpath={.metadata.uid}")
    known = _known()
    if known is None:
        noted = {"context": name, "cluster": identity, "storageClass": _default_class(context)}
        write_whole(paths.cluster_file(), json.dumps(noted, indent=2))
    elif known["cluster"] != identity:
        raise LocalError(
            f"The cluster of the context {name} is another one than the one that this platform's state is of: "
            f"`{contracts.CONTEXT_ENV}={name} make clean` forgets that state, with the keys of its stacks."
        )


def _refuse_what_is_anothers(context: Context) -> None:
    """Refuse a cluster that runs a platform which was brought up from elsewhere: the update would take it over.

    Raises:
        LocalError: Names what runs there.
    """
    if any(program.is_up(stack) for stack in stacks.names()):
        return
    for namespace in workloads.NAMESPACES:
        if running := _ask(context, "get", workloads.KINDS, f"--namespace={namespace}", "--output=name").split():
            raise LocalError(
                f"The cluster of the context {context.name} runs {running[0]} in the namespace {namespace}, which was "
                f"not made from {paths.home()}: destroy it from where it was made, or name another cluster."
            )


def storage_class() -> str | None:
    """Return the StorageClass that was the cluster's default when a stack first came to it; None if it had none."""
    return (_known() or {}).get("storageClass")


def _known() -> dict[str, Any] | None:
    file = paths.cluster_file()
    return json.loads(file.read_text()) if file.exists() else None


def _default_class(context: Context) -> str | None:
    """Return the cluster's default: https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass."""
    classes = json.loads(_ask(context, "get", "storageclasses", "--output=json"))["items"]
    for described in (item["metadata"] for item in classes):
        if described.get("annotations", {}).get(_DEFAULT_CLASS) == "true":
            return described["name"]
    return None


def _ask(context: Context, *arguments: str) -> str:
    """Return what kubectl prints.

    Raises:
        LocalError: The cluster does not answer, or refuses; repeats kubectl's reason.
    """
    command = [*_kubectl(context), f"--request-timeout={_ANSWER_SECONDS}s", *arguments]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        reason = next((line for line in reversed(asked.stderr.splitlines()) if line.strip()), "no reason told")
        raise LocalError(f"The cluster of the context {context.name} in {context.file} does not answer: {reason}")
    return asked.stdout


def _kubectl(context: Context) -> list[str | Path]:
    program_file = toolchain.ensure("kubectl")["kubectl"]
    return [program_file, f"--kubeconfig={context.file}", f"--context={context.name}"]


def _held(context: Context) -> Collection[str]:
    return destination.images_on_nodes(_kubectl(context))


def _given_images() -> dict[str, str] | None:
    """Return the references that the user gives, with which nothing is to be built; None where none are given.

    Raises:
        LocalError: The file isn't what it should be; tells which images it lacks.
    """
    variable, given = contracts.IMAGES_FILE_ENV, os.environ.get(contracts.IMAGES_FILE_ENV)
    # What `make env` exports is our own.
    if not given or Path(given) == paths.images_file():
        return None
    try:
        named = json.loads(Path(given).read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"{variable} is {given}, which is no readable JSON file: {error}") from None
    if not isinstance(named, dict):
        raise LocalError(f"{variable} is {given}: it must be a JSON object {{image: reference}}.")
    if lacking := [name for name in contracts.IMAGES if not isinstance(named.get(name), str)]:
        raise LocalError(f"{variable} is {given}, which lacks the references of {', '.join(lacking)}.")
    return named


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

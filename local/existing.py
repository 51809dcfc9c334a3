"""An existing cluster of the user's kubeconfig: check, build and deliver what a stack needs there.

No root is needed, and nothing is written outside the platform's own folders.
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

# Timeout of a request that returns at once; even a distant cluster answers in this time.
_ANSWER_SECONDS = 15
# Every cluster is created with this namespace, so its UID identifies the cluster.
_OLDEST_NAMESPACE = "kube-system"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def up(name: str) -> None:
    """Prepare the cluster of the context `name` for a stack: the tools on this machine, and the images on the cluster.

    Raises:
        LocalError: The user must provide something that is missing, or a step failed; names its log.
    """
    context = kubeconfig.find(name)
    references = _prebuilt_images()
    if references is not None:
        get_to_know(name)
        _refuse_foreign_platform(context)
        toolchain.ensure(*program.TOOLS)
    else:
        # Every check comes before the first build.
        place, shop = destination.choose(context, partial(_images_on_nodes, context)), workshop.choose()
        get_to_know(name)
        _refuse_foreign_platform(context)
        _announce(shop, place)
        references = images.deliver(contracts.IMAGES, shop, place)
    write_whole(paths.images_file(), json.dumps(references, indent=2))


def deliver(name: str, wanted: Sequence[str]) -> dict[str, str]:
    """Build images and bring them to the cluster of the context `name`; return each image's reference there.

    Raises:
        LocalError: As for `up`.
    """
    context = kubeconfig.find(name)
    return images.deliver(wanted, workshop.choose(), destination.choose(context, partial(_images_on_nodes, context)))


def absent(name: str, wanted: Sequence[str]) -> dict[str, int]:
    """Return the images that `deliver` would bring there, and roughly how many seconds each build takes."""
    context = kubeconfig.find(name)
    shop = workshop.choose()
    names = images.absent(wanted, shop, destination.choose(context, partial(_images_on_nodes, context)))
    return dict.fromkeys(names, 0) | images.missing(names, shop)


def get_to_know(name: str) -> None:
    """Record the identity of a context's cluster the first time; later refuse a different cluster.

    The default StorageClass is recorded too: a cluster's default may change, but the class of an existing volume can't.

    Raises:
        LocalError: The context now leads to another cluster, or the cluster does not answer.
    """
    context = kubeconfig.find(name)
    identity = _ask(context, "get", "namespace", _OLDEST_NAMESPACE, "--output=jsonpath={.metadata.uid}")
    recorded = _recorded_cluster()
    if recorded is None:
        cluster = {"context": name, "cluster": identity, "storageClass": _default_class(context)}
        write_whole(paths.cluster_file(), json.dumps(cluster, indent=2))
    elif recorded["cluster"] != identity:
        raise LocalError(
            f"The context {name} leads to another cluster than before, to which this platform's state belongs: "
            f"`{contracts.CONTEXT_ENV}={name} make clean` deletes that state, with the keys of its stacks."
        )


def _refuse_foreign_platform(context: Context) -> None:
    """Refuse a cluster with a platform from another machine or home: the update would take it over.

    Raises:
        LocalError: Such a platform runs there; names one of its workloads.
    """
    if any(program.is_up(stack) for stack in stacks.names()):
        return
    for namespace in workloads.NAMESPACES:
        if running := _ask(context, "get", workloads.KINDS, f"--namespace={namespace}", "--output=name").split():
            raise LocalError(
                f"The cluster of the context {context.name} runs {running[0]} in the namespace {namespace}, which was "
                f"not created from {paths.home()}: destroy it from where it was created, or name another cluster."
            )


def storage_class() -> str | None:
    """Return the cluster's default StorageClass at the time of its first stack; None if there was none."""
    return (_recorded_cluster() or {}).get("storageClass")


def _recorded_cluster() -> dict[str, Any] | None:
    file = paths.cluster_file()
    return json.loads(file.read_text()) if file.exists() else None


def _default_class(context: Context) -> str | None:
    """Return the cluster's default: https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass."""
    classes = json.loads(_ask(context, "get", "storageclasses", "--output=json"))["items"]
    for metadata in (item["metadata"] for item in classes):
        if metadata.get("annotations", {}).get(_DEFAULT_CLASS) == "true":
            return metadata["name"]
    return None


def _ask(context: Context, *arguments: str) -> str:
    """Return what kubectl prints.

    Raises:
        LocalError: The cluster does not answer or refuses the request; repeats kubectl's reason.
    """
    command = [*_kubectl(context), f"--request-timeout={_ANSWER_SECONDS}s", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = next((line for line in reversed(result.stderr.splitlines()) if line.strip()), "kubectl gave no reason")
        raise LocalError(f"The cluster of the context {context.name} in {context.file} does not answer: {reason}")
    return result.stdout


def _kubectl(context: Context) -> list[str | Path]:
    program_file = toolchain.ensure("kubectl")["kubectl"]
    return [program_file, f"--kubeconfig={context.file}", f"--context={context.name}"]


def _images_on_nodes(context: Context) -> Collection[str]:
    return destination.images_on_nodes(_kubectl(context))


def _prebuilt_images() -> dict[str, str] | None:
    """Return the references of the user's own images, with which nothing is built; None if the user names none.

    Raises:
        LocalError: The file is not readable JSON, or lacks images; names them.
    """
    variable, file = contracts.IMAGES_FILE_ENV, os.environ.get(contracts.IMAGES_FILE_ENV)
    # `make env` exports the file of the images that were built here.
    if not file or Path(file) == paths.images_file():
        return None
    try:
        references = json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"{variable} is {file}, which is not a readable JSON file: {error}") from None
    if not isinstance(references, dict):
        raise LocalError(f"{variable} is {file}: it must be a JSON object {{image: reference}}.")
    if lacking := [name for name in contracts.IMAGES if not isinstance(references.get(name), str)]:
        raise LocalError(f"{variable} is {file}, which lacks the references of {', '.join(lacking)}.")
    return references


def _announce(shop: Workshop, place: Destination) -> None:
    """Say what will be built and where it goes; build the tools; refuse a disk that is too small for the images."""
    needed = (*program.TOOLS, *images.programs(contracts.IMAGES))
    if unbuilt := toolchain.missing(*needed):
        about = progress.duration(toolchain.about_seconds(unbuilt))
        progress.say(f"To build: {', '.join(unbuilt)} (about {about})")
    absent = images.absent(contracts.IMAGES, shop, place)
    if absent:
        progress.say(f"To copy to {place.described()}: images {', '.join(absent)}")
    unbuilt_images = images.missing(absent, shop)
    if unbuilt_images:
        about = progress.duration(sum(unbuilt_images.values()))
        progress.say(f"To build with {shop.builder.name}: images {', '.join(unbuilt_images)} (about {about})")
        if shop.builder is buildah:
            checks.disk(paths.cache(), checks.BUILDAH_DISK_BYTES, "building the images")
    toolchain.ensure(*needed)

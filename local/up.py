"""`make up`: bring the whole platform up, train, sign and verify a model on it, and sum up what came out.

Whatever is there already is left alone, so a second run takes seconds and a run after a failure goes on from it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import contracts
from contracts import Exit
from local import checks, cli, cluster, env, images, lock, paths, plugins, program, progress, summary, toolchain
from local.cluster import workloads
from local.processes import write_whole
from local.toolchain import debian

# Long enough for every pod to start after `make down`; what still fails then may be what the update repairs.
SETTLE_SECONDS = 180

EPILOG = """examples:
  python -m local.up                                the embedded cluster, and the stack `local` on it
  python -m local.up --cluster-only                 the embedded cluster without a stack, such as for tests
  AEGIS_CONTEXT=kind-kind python -m local.up        the stack on a cluster of your kubeconfig

environment:
  AEGIS_HOME      the platform's state (default ~/.local/state/aegis)
  AEGIS_CACHE     built tools and images (default ~/.cache/aegis)
  AEGIS_NETWORK   a free IPv4 /16 for pods, Services and the node (default: the first free one of a few)
  AEGIS_CONTEXT   a kubeconfig's context: use that cluster, whose nodes must have the images that AEGIS_IMAGES names"""


def main(argv: Sequence[str] | None = None) -> int:
    """Bring everything up."""
    parser = cli.parser(
        "local.up", "Bring the platform up; say what is built, how far it is and what came out.", EPILOG
    )
    parser.add_argument("--stack", default=env.STACK, help="the stack to bring up, one of stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--cluster-only", action="store_true", help="stop when the cluster is ready for pods")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    arguments = parser.parse_args(argv)
    existing = os.environ.get(contracts.CONTEXT_ENV)
    if not existing:
        checks.machine()
    with lock.only_one():
        if not existing:
            _cluster(_images(arguments.cluster_only))
        if arguments.cluster_only:
            progress.say(f"The cluster is ready: export KUBECONFIG={paths.kubeconfig()}")
            return Exit.OK
        toolchain.ensure(*program.TOOLS, "kubectl")
        progress.say(plugins.explanation(paths.pulumi() / "home"))
        engine = env.engine_environment()
        # What is there already may be starting again, and the engine can't talk to a Vault that isn't there yet.
        with progress.step("Waiting for what runs already"):
            workloads.settle(engine, existing, seconds=SETTLE_SECONDS)
        with progress.step(f"Bringing the stack {arguments.stack} up", about_seconds=150) as step:
            change = program.up(arguments.stack, engine, step)
        with progress.step("Waiting until everything is in service"):
            workloads.wait(engine, existing)
        result = summary.gather(arguments.stack, engine, change, progress.elapsed())
    print(json.dumps(result, indent=2) if arguments.json else summary.text(result))
    return Exit.OK


def _images(cluster_only: bool) -> tuple[str, ...]:
    """Return the names of the images that are wanted."""
    return cluster.IMAGES if cluster_only else (*cluster.IMAGES, *contracts.IMAGES)


def _cluster(names: tuple[str, ...]) -> None:
    """Build what is missing, and bring the embedded cluster up with these images."""
    debian.install(debian.missing_packages())
    needed = (*cluster.TOOLS, *program.TOOLS, *images.programs(names))
    _announce(needed, names)
    tools = toolchain.ensure(*needed)
    references = images.ensure(names)
    write_whole(paths.images_file(), json.dumps(_known_images() | references, indent=2))
    _start(tools, references)


def _announce(tools: Sequence[str], names: Sequence[str]) -> None:
    """Say what will be built and about how long it takes, and refuse when the disk can't hold it."""
    missing = toolchain.missing(*tools)
    unbuilt = images.missing(names)
    if missing:
        progress.say(f"To build: {', '.join(missing)} (about {progress.duration(toolchain.about_seconds(missing))})")
        checks.disk(paths.cache(), checks.BUILD_DISK_BYTES, "building the tools")
    if unbuilt:
        progress.say(f"To build: images {', '.join(unbuilt)} (about {progress.duration(sum(unbuilt.values()))})")
        checks.disk(paths.cache(), checks.IMAGES_DISK_BYTES, "building the images")


def _start(tools: Mapping[str, Path], references: Mapping[str, str]) -> None:
    with progress.step("Starting etcd and containerd"):
        where = cluster.start_runtime(tools, references)
    images.load(references)
    with progress.step("Starting the cluster", about_seconds=20):
        cluster.start(where, tools, references)
    images.prune(_known_images())


def _known_images() -> dict[str, str]:
    """Return the images of the last run: one for the cluster alone keeps those of the stack."""
    return json.loads(paths.images_file().read_text()) if paths.images_file().exists() else {}


if __name__ == "__main__":
    cli.run(main)

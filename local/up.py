"""`make up`: bring the whole platform up, train, sign and verify a model on it, and print a summary.

What already runs is left alone: a second run takes seconds, and a run after a failure continues where it stopped.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

import contracts
from contracts import Exit
from local import (
    checks,
    cli,
    embedded,
    env,
    existing,
    forwards,
    kubeconfig,
    lock,
    paths,
    program,
    progress,
    stacks,
    summary,
    toolchain,
)
from local.aws import embedded as emulated_aws
from local.cluster import workloads
from local.errors import LocalError
from local.processes import write_whole
from local.stacks import Stack

# Long enough for every pod to start after `make down`; the update may repair what still fails after it.
SETTLE_SECONDS = 90
# The first update of the stack `local` on 2 cores, with the training of its model.
UPDATE_SECONDS = 180

EPILOG = """examples:
  python -m local.up                                the embedded cluster, and the stack `local` on it
  python -m local.up --stack ci                     the stack `ci`: shaped as on AWS, with an emulated AWS API
  python -m local.up --cluster-only                 the embedded cluster without a stack, for tests
  AEGIS_CONTEXT=kind-kind python -m local.up        the stack on a cluster of your kubeconfig

environment:
  AEGIS_HOME      the platform's state (default ~/.local/state/aegis)
  AEGIS_CACHE     built tools and images (default ~/.cache/aegis)
  AEGIS_NETWORK   a free IPv4 /16 for pods, Services and the node (default: the first free one of a few)
  AEGIS_CONTEXT   a context of KUBECONFIG or ~/.kube/config: use that cluster, without root

environment, with AEGIS_CONTEXT:
  AEGIS_REGISTRY    host[:port][/path] to push images to; not needed for kind, k3d and minikube
  AEGIS_BASE_IMAGE  a Debian bookworm image to build on (default docker.io/library/debian:bookworm-slim)
  AEGIS_IMAGES      a JSON file {image: reference} of images that the cluster can pull; none is built then"""


def main(argv: Sequence[str] | None = None) -> int:
    """Bring everything up."""
    parser = cli.parser("local.up", "Bring the platform up, with progress and a summary.", EPILOG)
    parser.add_argument("--stack", default=env.STACK, help="the stack to bring up, one of stacks/Pulumi.<stack>.yaml")
    parser.add_argument("--cluster-only", action="store_true", help="stop when the cluster is ready for pods")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    arguments = parser.parse_args(argv)
    context = os.environ.get(contracts.CONTEXT_ENV)
    if arguments.cluster_only and context:
        parser.error(
            f"--cluster-only brings up the embedded cluster, but {contracts.CONTEXT_ENV} names another: {context}"
        )
    stack = stacks.read(arguments.stack)
    if not arguments.cluster_only:
        _refuse(stack, context)
    if not context:
        checks.machine()
    with lock.only_one():
        if context:
            existing.up(context)
        else:
            embedded.up(None if arguments.cluster_only else stack)
        if arguments.cluster_only:
            progress.say(f"The cluster is ready: export KUBECONFIG={paths.kubeconfig()}")
            return Exit.OK
        result = _bring_up(stack, context)
    print(json.dumps(result, indent=2) if arguments.json else summary.text(result))
    return Exit.OK


def _refuse(stack: Stack, context: str | None) -> None:
    """Refuse a stack that can't be brought up here.

    Raises:
        LocalError: The stack is refused; the message says what to do instead.
    """
    if stack.in_aws:
        raise LocalError(
            f"The stack {stack.name} belongs to the AWS account {stack.account_id}: "
            f"`make preview STACK={stack.name}` shows what it would create, and `pulumi up --stack {stack.name}` "
            "with that account's credentials creates it."
        )
    if stack.emulated and context:
        raise LocalError(
            f"The stack {stack.name} needs the embedded cluster, because only its pods reach the emulated AWS: unset "
            f"{contracts.CONTEXT_ENV}, which is {context}."
        )
    if context:
        kubeconfig.find(context)
    # Two stacks would use the same namespaces.
    others = [name for name in stacks.names() if name != stack.name and program.is_up(name)]
    if others:
        place = f"the cluster of the context {context}" if context else "this machine"
        raise LocalError(
            f"The stack {others[0]} is up, and {place} holds one at a time: run `make destroy STACK={others[0]}` "
            f"first, which deletes its data, or `make clean`, which deletes the whole platform."
        )


def _bring_up(stack: Stack, context: str | None) -> dict[str, Any]:
    """Bring the stack up on a running cluster, and return its summary."""
    toolchain.ensure(*program.TOOLS, "kubectl")
    engine = env.engine_environment()
    progress.say(program.plugins_explained())
    # The workloads may be starting again, and the engine can't talk to a Vault that is not up yet.
    with progress.step("Waiting for the workloads that exist already"):
        workloads.settle(engine, context, seconds=SETTLE_SECONDS)
    if stack.emulated and program.is_up(stack.name) and emulated_aws.has_lost(stack):
        # The database's runs and the buckets are gone, and what is left in the cluster would not match new ones.
        with progress.step("The emulated AWS has lost its state: destroying what is left of the stack") as step:
            program.destroy(stack.name, engine, step)
    if stack.emulated:
        emulated_aws.note(stack)
    forwards.start(stack, context, engine)
    with progress.step(f"Bringing the stack {stack.name} up", about_seconds=UPDATE_SECONDS) as step:
        change = program.up(stack.name, engine, step)
    with progress.step("Waiting until everything is in service"):
        workloads.wait(engine, context)
    outputs = program.outputs(stack.name, engine)
    write_whole(paths.signing_keys_file(), outputs["signing_keys"])
    return summary.gather(stack.name, engine, outputs, change, progress.elapsed())


if __name__ == "__main__":
    cli.run(main)

"""`make down`: stop only what `make up` started on this machine; the data stays for the next `make up`."""

import os
from collections.abc import Sequence

import contracts
from contracts import Exit
from local import checks, cli, cluster, forwards, kubeconfig, lock, paths, progress
from local.aws import embedded as emulated_aws


def main(argv: Sequence[str] | None = None) -> int:
    """Stop the cluster and the emulated AWS."""
    cli.parser(
        "local.down",
        "Stop the embedded platform: its processes, containers, mounts and network. Its data stays, "
        "and the next `make up` continues with it. With AEGIS_CONTEXT, stop the forwards to that cluster, "
        "which is yours and stays up.",
    ).parse_args(argv)
    context = os.environ.get(contracts.CONTEXT_ENV)
    if context:
        if not paths.home().exists():
            kubeconfig.find(context)
        with lock.only_one():
            stopped = forwards.stop()
        progress.say(f"The cluster of the context {context} is yours and stays up, with its stacks.")
    else:
        checks.root()
        with lock.only_one():
            stopped = [*forwards.stop(), *cluster.stop(), *emulated_aws.stop()]
    if stopped:
        progress.say(f"Stopped {', '.join(stopped)}. The data is kept in {paths.home()}.")
    else:
        progress.say("Nothing was running.")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)

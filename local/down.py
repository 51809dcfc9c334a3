"""`make down`: end just what `make up` started on this machine; the data stays for the next `make up`."""

import os
from collections.abc import Sequence

import contracts
from contracts import Exit
from local import checks, cli, cluster, lock, paths, progress
from local.aws import embedded as emulated_aws


def main(argv: Sequence[str] | None = None) -> int:
    """Stop the cluster and the emulated AWS."""
    cli.parser(
        "local.down",
        "Stop the embedded platform: its processes, containers, mounts and network. Its data stays, "
        "and the next `make up` goes on from it. With AEGIS_CONTEXT there is nothing to stop: that cluster is yours.",
    ).parse_args(argv)
    if context := os.environ.get(contracts.CONTEXT_ENV):
        progress.say(
            f"Nothing of ours runs here for the cluster of the context {context}, which is yours and stays up: "
            f"`make destroy` deletes what a stack has made there."
        )
        return Exit.OK
    checks.root()
    with lock.only_one():
        stopped = [*cluster.stop(), *emulated_aws.stop()]
    if stopped:
        progress.say(f"Stopped {', '.join(stopped)}. The data is kept in {paths.home()}.")
    else:
        progress.say("Nothing was running.")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)

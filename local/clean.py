"""`make clean`: stop the platform and delete its state; keep the cache of tools and images."""

import os
from collections.abc import Sequence

import contracts
from contracts import Exit
from local import checks, cli, cluster, forwards, lock, paths, progress
from local.aws import embedded as emulated_aws
from local.cluster import containers
from local.errors import LocalError
from local.removal import remove


def main(argv: Sequence[str] | None = None) -> int:
    """Stop the cluster and delete the platform's home."""
    cli.parser(
        "local.clean",
        "Stop the embedded platform and delete its data: the cluster's objects, volumes, models, backups, keys and "
        "logs. The cache of tools and images stays. With AEGIS_CONTEXT, delete only the state that this machine keeps "
        "for that cluster; the resources of its stacks stay in the cluster: `make destroy` deletes them.",
    ).parse_args(argv)
    context = os.environ.get(contracts.CONTEXT_ENV)
    if not context:
        checks.root()
    home = paths.home()
    if not home.exists():
        progress.say(f"{home} does not exist: nothing to delete.")
        return Exit.OK
    with lock.only_one():
        forwards.stop()
        if not context:
            cluster.stop()
            emulated_aws.stop()
        with progress.step(f"Deleting {home}"):
            _delete()
    return Exit.OK


def _delete() -> None:
    """Delete the home, unless a file system is still mounted below it, whose files would be deleted too."""
    if mounted := containers.mounts_below(paths.home()):
        raise LocalError(f"{mounted[0]} is still mounted: unmount it and run `make clean` again.")
    for path in (paths.home() / name for name in paths.CONTENTS):
        if path.is_dir():
            remove(path)
        else:
            path.unlink(missing_ok=True)
    if left := sorted(path.name for path in paths.home().iterdir() if path.name != paths.EXISTING):
        progress.say(f"Left in {paths.home()}, because the platform did not create it: {', '.join(left)}")
    elif not (paths.home() / paths.EXISTING).exists():
        paths.home().rmdir()


if __name__ == "__main__":
    cli.run(main)

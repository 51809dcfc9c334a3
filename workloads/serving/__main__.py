"""`python -m workloads.serving`: serve registered models in the cluster."""

from collections.abc import Sequence

from workloads import cli, commands
from workloads.serving import deploy, serving_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command."""
    summary = "Serve verified versions of registered models in the cluster."
    return commands.run_one("workloads.serving", summary, [deploy.COMMAND, *serving_commands.COMMANDS], argv)


if __name__ == "__main__":
    cli.run(main)

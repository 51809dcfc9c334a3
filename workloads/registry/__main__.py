"""`python -m workloads.registry`: compare runs and model versions, and decide which version is used."""

from collections.abc import Sequence
from typing import Final

from workloads import cli, commands
from workloads.registry.best import BEST
from workloads.registry.compare import COMPARE
from workloads.registry.decisions.commands import AUTO_PROMOTE, HISTORY, NOMINATE, PROMOTE, ROLLBACK
from workloads.registry.policy.check import CHECK_POLICY

_COMMANDS: Final = (COMPARE, BEST, NOMINATE, PROMOTE, AUTO_PROMOTE, ROLLBACK, HISTORY, CHECK_POLICY)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    summary = "Compare runs and model versions, and decide which version is used."
    return commands.run_one("workloads.registry", summary, _COMMANDS, argv)


if __name__ == "__main__":
    cli.run(main)

"""`python -m workloads.serving.watching`: report on what served models see."""

from collections.abc import Sequence

from workloads import cli, commands
from workloads.serving.watching.command import REPORT


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return commands.run_one("workloads.serving.watching", "Watch served models.", (REPORT,), argv)


if __name__ == "__main__":
    cli.run(main)

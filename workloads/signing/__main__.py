"""`python -m workloads.signing`: package, sign and verify model archives."""

from collections.abc import Sequence

from workloads import cli, commands
from workloads.signing.commands import PACKAGE, PACKAGE_AND_SIGN, SIGN, VERIFY


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    summary = "Package, sign and verify model archives."
    return commands.run_one("workloads.signing", summary, (PACKAGE, SIGN, PACKAGE_AND_SIGN, VERIFY), argv)


if __name__ == "__main__":
    cli.run(main)

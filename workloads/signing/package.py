"""`python -m workloads.signing package` as a separate module."""

from workloads import cli
from workloads.signing.commands import PACKAGE

main = PACKAGE.main

if __name__ == "__main__":
    cli.run(main)

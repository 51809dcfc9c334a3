"""`python -m workloads.signing verify` as a separate module."""

from workloads import cli
from workloads.signing.commands import VERIFY

main = VERIFY.main

if __name__ == "__main__":
    cli.run(main)

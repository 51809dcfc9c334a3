"""`python -m workloads.signing verify` as a module of its own."""

from workloads import cli
from workloads.signing.commands import VERIFY

main = VERIFY.main

if __name__ == "__main__":
    cli.run(main)

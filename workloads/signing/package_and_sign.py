"""`python -m workloads.signing package-and-sign` as a module of its own."""

from workloads import cli
from workloads.signing.commands import PACKAGE_AND_SIGN

main = PACKAGE_AND_SIGN.main

if __name__ == "__main__":
    cli.run(main)

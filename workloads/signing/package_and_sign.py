"""`python -m workloads.signing package-and-sign` as a separate module."""

from workloads import cli
from workloads.signing.commands import PACKAGE_AND_SIGN

main = PACKAGE_AND_SIGN.alone("workloads.signing.package_and_sign")

if __name__ == "__main__":
    cli.run(main)

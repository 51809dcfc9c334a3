"""`python -m workloads.signing package` as a separate module."""

from workloads import cli
from workloads.signing.commands import PACKAGE

main = PACKAGE.alone("workloads.signing.package")

if __name__ == "__main__":
    cli.run(main)

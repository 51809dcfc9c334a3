"""`python -m workloads.signing verify` as a separate module."""

from workloads import cli
from workloads.signing.commands import VERIFY

main = VERIFY.alone("workloads.signing.verify")

if __name__ == "__main__":
    cli.run(main)

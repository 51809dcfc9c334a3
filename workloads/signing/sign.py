"""`python -m workloads.signing sign` as a separate module."""

from workloads import cli
from workloads.signing.commands import SIGN

main = SIGN.alone("workloads.signing.sign")

if __name__ == "__main__":
    cli.run(main)

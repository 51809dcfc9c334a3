"""The command that checks a policy file, without a server."""

import argparse
import json
from typing import Final

from contracts import Exit
from workloads import cli
from workloads.commands import Command
from workloads.registry.policy import file

_EPILOG: Final = f"""\
Prints the policy's name, the SHA-256 of its file and its rules. Exits with {int(Exit.USAGE)} if the file is not a valid
policy; the message lists all its problems. The evaluation set is not read.

example:
  python -m workloads.registry check-policy workloads/registry/examples/policy.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check-policy`."""
    parser.add_argument("file", metavar="FILE", type=cli.file_path, help="policy file to check")
    parser.add_argument("--json", action="store_true", help="print the policy with its defaults as JSON")


def run(args: argparse.Namespace) -> int:
    """Check the file and print what it says."""
    policy = file.load(args.file)
    rules = policy.content.rules.model_dump(exclude_none=True)
    if args.json:
        content = policy.content.model_dump(exclude_none=True)
        print(json.dumps({"name": policy.name, "sha256": policy.digest, "policy": content}))
    else:
        print(f"{policy.name} ({policy.digest}): signature, {', '.join(rules)}")
    return Exit.OK


CHECK_POLICY: Final = Command(
    name="check-policy",
    summary="Check a policy file, without a server.",
    epilog=_EPILOG,
    add_arguments=add_arguments,
    run=run,
)

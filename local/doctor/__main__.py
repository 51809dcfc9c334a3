"""Command: run the checks, and print what is wrong and what to do."""

import json
from collections.abc import Sequence

import contracts
from local import cli, env
from local.doctor import platform, report, runner
from local.doctor.checks import CHECKS
from local.doctor.verdict import State

_EPILOG = f"""Nothing is changed. What needs a look inside the cluster runs a short script in a pod of the platform.

states:
  OK       nothing is wrong
  ERROR    users notice it now
  WARNING  it becomes an error if nobody acts
  UNKNOWN  it could not be checked, for the reason that follows
  ABSENT   the installation lacks what the check is about

exit code: 0 if nothing is wrong, 1 for an error, 11 for at worst a warning or something unknown

examples:
  python -m local.doctor
  python -m local.doctor --only database --only clocks
  {contracts.CONTEXT_ENV}=prod-cluster python -m local.doctor --stack prod --json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks."""
    parser = cli.parser(
        "local.doctor",
        "Check a running installation: its pods, addresses, database, buckets, keys, backups, models and machine. "
        f"{contracts.CONTEXT_ENV} names the kubeconfig context of another cluster than the embedded one.",
        _EPILOG,
    )
    names = [check.name for check in CHECKS]
    parser.add_argument("--stack", default=env.STACK, help="the stack that is installed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    parser.add_argument("--only", action="append", choices=names, metavar="CHECK", help="a check to run, repeatable")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(names))
        return contracts.Exit.OK
    checks = [check for check in CHECKS if not arguments.only or check.name in arguments.only]
    width = max(len(check.name) for check in checks)
    results = []
    for result in runner.run(checks, platform.of(arguments.stack)):
        results.append(result)
        if not arguments.json and result.state is not State.UNKNOWN:
            print(report.line(result, width), flush=True)
    if arguments.json:
        print(json.dumps(report.to_json(results), indent=2))
    else:
        print("\n".join([*report.unknown(results), report.summary(results)]))
    return report.exit_code(results)


if __name__ == "__main__":
    cli.run(main)

"""`python -m laptop.doctor`: check the installation, the settings, the keys and MLflow."""

import json
from collections.abc import Sequence
from typing import Final

from contracts import Exit
from laptop import environment
from workloads import cli

_EPILOG: Final = """\
Prints one line for each check, and exits with 1 if one failed. Nothing is changed: the model is logged to a temporary
folder.

examples:
  python -m laptop.doctor
  python -m laptop.doctor --env prod --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks."""
    parser = cli.parser("laptop.doctor", "Check this machine's installation, settings and keys, and MLflow.", _EPILOG)
    environment.add_environment(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    args = parser.parse_args(argv)
    settings = environment.enter(args.env)
    # MLflow is imported only now, see `enter`.
    from laptop import checks  # noqa: PLC0415

    results = []
    for result in checks.run(settings):
        results.append(result)
        if not args.json:
            print(result, flush=True)
    if args.json:
        print(json.dumps({"ok": all(result.ok for result in results), "checks": [each.to_json() for each in results]}))
    return Exit.OK if all(result.ok for result in results) else Exit.UNEXPECTED


if __name__ == "__main__":
    cli.run(main)

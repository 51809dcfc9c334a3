"""`python -m laptop.promote`: release the best run, and promote it by a policy."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from contracts import Exit
from laptop import environment
from workloads import cli

_POLICY: Final = Path(__file__).with_name("policy.yaml")
_EPILOG: Final = f"""\
Selects the best run of the experiment, signs its model, registers it, nominates it as the candidate, and makes it the
champion if it passes the policy. The decision is a signed record. A second call changes nothing.

exit codes: {int(Exit.NO_RUN)} no run qualifies, {int(Exit.NOT_VERIFIED)} not verified, {int(Exit.MLFLOW)} MLflow, and
those of `python -m workloads.registry promote`

examples:
  python -m laptop.promote
  python -m laptop.promote --metric val/loss --minimize --policy my-policy.yaml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Release, which nominates, and promote."""
    parser = cli.parser("laptop.promote", "Sign the best run's model, and promote it by a policy.", _EPILOG)
    environment.add_environment(parser)
    parser.add_argument("--metric", metavar="NAME", default="val/accuracy", help="the metric of the best run")
    parser.add_argument("--minimize", action="store_true", help="the lowest value is the best")
    parser.add_argument("--policy", metavar="FILE", type=cli.file_path, default=_POLICY, help="the policy's file")
    args = parser.parse_args(argv)
    settings = environment.enter(args.env)
    # MLflow is imported only now, see `enter`.
    from laptop import releasing  # noqa: PLC0415

    released = releasing.release_best(settings, metric=args.metric, maximize=not args.minimize)
    print(f"{released.model} version {released.version} is signed, by key {released.key}", file=sys.stderr)
    registry = import_module("workloads.registry.__main__").main
    return registry(["promote", released.model, "--policy", str(args.policy)])


if __name__ == "__main__":
    cli.run(main)

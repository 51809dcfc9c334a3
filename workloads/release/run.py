"""Command: release the best run, or a given one; the release Job runs it."""

from collections.abc import Sequence
from pathlib import Path

from contracts import Env, Exit
from workloads import cli
from workloads.mlflow_client import Tracking
from workloads.registry import options
from workloads.release import store
from workloads.release.job import Order, release
from workloads.signing import signer
from workloads.signing.staging import written

# A container's termination message: https://kubernetes.io/docs/reference/kubernetes-api/ (Container).
TERMINATION_LOG = Path("/dev/termination-log")
_EPILOG = f"""\
Selects the best run, packages its model, signs it with Vault, verifies it with the exported public key, uploads the
archive and its signatures, and registers the version with their addresses as tags. A second run changes nothing, unless
the signing key was rotated: then the newest key signs the version again. --run does this for the version of another
run, such as the champion's, which becomes the candidate.

exit codes: {int(Exit.NO_RUN)} no run qualifies, {int(Exit.NOT_VERIFIED)} not verified, or the version was \
released with other bytes, {int(Exit.VAULT)} Vault, {int(Exit.MLFLOW)} MLflow, {int(Exit.OBJECT_STORE)} object store
environment: {Env.TRACKING_URI}, {Env.VAULT_ADDR}, {Env.VAULT_TOKEN} or {Env.VAULT_ROLE} (or {Env.SIGNING_KEY_FILE}),
{Env.RELEASES_BUCKET}, and for the object store AWS_DEFAULT_REGION and an IAM role, or {Env.S3_ENDPOINT},
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY

example:
  python -m workloads.release.run --experiment-name digits --metric val/accuracy --maximize --model-name digits --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Release the best run."""
    parser = cli.parser("workloads.release.run", "Release the best run as a signed version of a model.", _EPILOG)
    options.add_selection(parser)
    parser.add_argument(
        "--run", metavar="ID", type=options.run_id, help="release this run of the experiment in place of the best one"
    )
    parser.add_argument(
        "--model-name", metavar="NAME", type=options.model, required=True, help="registered model that gets the version"
    )
    parser.add_argument("--work-dir", metavar="DIR", type=Path, default=Path("/tmp/release"), help="scratch space")  # noqa: S108 - private to the pod
    parser.add_argument(
        "--result-file",
        metavar="FILE",
        type=Path,
        default=TERMINATION_LOG if TERMINATION_LOG.exists() else None,
        help=f"write the result as JSON to this file too (in a pod: {TERMINATION_LOG})",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    order = Order(
        experiment_name=args.experiment_name,
        metric=args.metric,
        maximize=args.maximize,
        model_name=args.model_name,
        work_dir=args.work_dir,
        run_id=args.run,
    )
    tracking = Tracking(cli.require_env(Env.TRACKING_URI, "the address of MLflow, such as http://127.0.0.1:5000"))
    released = release(order, tracking, signer.from_environment(), store.from_environment())
    if args.result_file:
        with written(args.result_file):
            args.result_file.write_text(released.to_json(), encoding="utf-8")
    print(released.to_json() if args.json else f"{released.model} version {released.version} is released and verified")
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)

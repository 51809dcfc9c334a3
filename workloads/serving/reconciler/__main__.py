"""`python -m workloads.serving.reconciler`: keep what is served equal to what is wanted."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from lightkube import ApiError
from lightkube.core.exceptions import ConfigError

from contracts import RECONCILER, RECONCILER_PORT, Env, Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.serving.reconciler import settings
from workloads.serving.reconciler.settings import LINGER_SECONDS

_EPILOG: Final = f"""\
Runs in a cluster, with a service account that may make the objects of served models, or with KUBECONFIG. Of several
processes, the one that holds the Lease {RECONCILER} acts. On SIGTERM it hands the Lease over.

HTTP on port {RECONCILER_PORT}: GET /served, /metrics, /livez, /readyz; POST /hint looks at MLflow at once,
at most once a second

environment: {Env.TRACKING_URI}, {Env.TRUSTED_KEYS}, those of the signer ({Env.VAULT_ADDR}, {Env.VAULT_ROLE}) and
of the releases ({Env.RELEASES_BUCKET} and those of S3), and
  {Env.SERVING_IMAGE}          image of the model servers
  {Env.SERVING_NAMESPACE}      namespace of the served models (default: serving)
  {Env.SERVING_DELIVERY}       volume (default) or image
  {Env.SERVING_STORAGE_CLASS}  StorageClass of the volumes (default: the cluster's)
  {Env.SERVING_VOLUME_SIZE}    room for a version's files, on its volume or the disk of a node (default: 5Gi)
  {Env.SERVING_REPOSITORY}     repository of the images
  {Env.SERVING_KSERVE}         auto or off (default): whether KServe runs the servers where it is installed
  {Env.SERVING_UNVERIFIED}     keep (default) or remove: what happens to a served version that doesn't verify any more
  {Env.SERVING_START_SECONDS}  until new servers that aren't ready are rolled back (default: 300)
  {LINGER_SECONDS} for which unused servers are kept (default: 60)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal."""
    parser = cli.parser("workloads.serving.reconciler", "Keep what is served equal to what is wanted.", _EPILOG)
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen at")  # noqa: S104 - for the pods around
    args = parser.parse_args(argv)
    # The clients of MLflow take seconds to import, and a mistake in the settings should be told at once.
    wanted = settings.from_environment()
    from workloads.serving.reconciler import process  # noqa: PLC0415

    for name in ("workloads", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO if name == "workloads" else logging.WARNING)
    try:
        asyncio.run(process.run(wanted, args.host))
    except ConfigError as error:
        raise WorkloadError(f"KUBECONFIG: no cluster can be reached: {error}", Exit.USAGE) from error
    except ApiError as error:
        raise WorkloadError(f"the API server refuses: {error}") from error
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)

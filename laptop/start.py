"""`python -m laptop.start`: prepare MLflow on this machine, and run its server."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from contracts import TRACKING_APP, Exit
from laptop import environment
from laptop.settings import PORT, Settings
from workloads import cli

_EPILOG: Final = f"""\
Creates what is missing: the folder, the SQLite database, and the key that signs with its public key. Then runs MLflow's
server on 127.0.0.1 until Ctrl-C, with the platform's gate, which refuses guarded aliases to versions that don't verify.
The other commands need no server; it shows the same runs and models in the browser.

examples:
  python -m laptop.start --setup-only
  {PORT}=5050 python -m laptop.start
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare, and become MLflow's server."""
    parser = cli.parser("laptop.start", "Prepare MLflow on this machine, and run its server.", _EPILOG)
    environment.add_environment(parser)
    parser.add_argument("--setup-only", action="store_true", help="only prepare")
    args = parser.parse_args(argv)
    settings = environment.enter(args.env)
    # MLflow is imported only now, see `enter`.
    from laptop import ports, prepare  # noqa: PLC0415

    prepare.prepare(settings)
    print(f"{settings.folder} is ready: run `make train-model` or `make start-mlflow`", file=sys.stderr)
    if not args.setup_only:
        ports.hold(settings.folder / "server.lock", "MLflow")
        ports.require_free(settings.port, PORT)
        print(f"MLflow: http://127.0.0.1:{settings.port} (Ctrl-C stops it)", file=sys.stderr, flush=True)
        os.execve(sys.executable, _command(settings), _environment())  # noqa: S606 - no shell is wanted
    return Exit.OK


def _command(settings: Settings) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--app-name", TRACKING_APP),
        *("--host", "127.0.0.1", "--port", str(settings.port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri),
        # Clients read and write the folder themselves, with the server and without it.
        *("--default-artifact-root", settings.artifacts.as_uri(), "--no-serve-artifacts"),
    ]


def _environment() -> dict[str, str]:
    paths = [str(environment.ROOT), str(environment.ENTRY_POINTS), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


if __name__ == "__main__":
    cli.run(main)

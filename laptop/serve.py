"""`python -m laptop.serve`: serve the champion on this machine, only if it verifies."""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts import Exit
from laptop import environment
from laptop.settings import SERVING_PORT
from workloads import cli
from workloads.backup import interruption

_EPILOG: Final = f"""\
Answers as the platform's servers do, in this Python environment: MLflow's scoring protocol (POST /invocations), the
Open Inference Protocol v2 (POST /v2/models/NAME/infer), and GET /metrics.
Serves on 127.0.0.1 until Ctrl-C. A version that doesn't verify isn't loaded, and the command exits with
{int(Exit.NOT_VERIFIED)}. A later champion is served after a restart.

examples:
  python -m laptop.serve
  {SERVING_PORT}=5051 python -m laptop.serve --model models:/digits/3
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Verify, load and serve."""
    parser = cli.parser("laptop.serve", "Serve a model version on this machine, only if it verifies.", _EPILOG)
    environment.add_environment(parser)
    parser.add_argument("--model", metavar="URI", help="the version (default: the champion of AEGIS_MODEL_NAME)")
    args = parser.parse_args(argv)
    settings = environment.enter(args.env)
    # MLflow is imported only now, see `enter`.
    from laptop import ports, serving  # noqa: PLC0415

    interruption.clean_up_when_told_to_stop()
    ports.require_free(settings.serving_port, SERVING_PORT)
    with tempfile.TemporaryDirectory(prefix="aegis-") as scratch, contextlib.suppress(KeyboardInterrupt):
        folder = Path(scratch, "model")
        version = serving.fetch(args.model or f"models:/{settings.model}@champion", settings, folder)
        address = f"http://127.0.0.1:{settings.serving_port}"
        print(f"{version.name} version {version.version} verifies: {address}/invocations", file=sys.stderr, flush=True)
        serving.serve(folder, version, settings.serving_port)
    return Exit.OK


if __name__ == "__main__":
    cli.run(main)

"""`python -m workloads.serving.server`: serve the model in a folder."""

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from contracts import MODEL_SERVER_PORT, Exit
from workloads import cli
from workloads.serving.server import offline, requirements
from workloads.serving.server.limits import Limits, cpus

# Of all numbers: the highest port.
_MOST: Final = 65535
_EPILOG: Final = f"""\
Serves one version of a registered model over HTTP, in this Python environment and without a network:

  POST /invocations             MLflow's scoring protocol, as `mlflow models serve`; also GET /ping, /health, /version
  POST /v2/models/NAME/infer    the Open Inference Protocol v2; also GET /v2/health/ready, /v2/models/NAME and others
  GET  /metrics                 for Prometheus
  GET  /watch                   what was seen of the inputs

It doesn't verify the model: `python -m workloads.serving.server.check` does. Requests over the limits wait, until
their time is over. On SIGTERM the server isn't ready any more, finishes what it has begun, and exits with
{int(Exit.OK)}.

example:
  python -m workloads.serving.server /models/model --name digits --version 3
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model and serve it."""
    parser = cli.parser("workloads.serving.server", "Serve the MLflow model in a folder.", _EPILOG)
    _add_arguments(parser)
    args = parser.parse_args(argv)
    requirements.check(args.folder, ignore=args.ignore_requirements)
    offline.prepare(cpus())
    # The libraries read the environment when they are imported.
    from workloads.serving.server import serving  # noqa: PLC0415

    limits = Limits(
        predictions=args.predictions, bodies=args.bodies, largest_body=args.largest_body << 20, seconds=args.timeout
    )
    version = serving.Version(folder=args.folder, name=args.name, version=args.version)
    serving.serve(version, limits, serving.Address(host=args.host, port=args.port, drain=args.drain))
    return Exit.OK


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = Limits()
    parser.add_argument("folder", metavar="FOLDER", type=cli.file_path, help="folder of the MLflow model")
    parser.add_argument("--name", required=True, help="the registered model, for paths and metrics")
    parser.add_argument("--version", required=True, help="its version")
    # A pod's other addresses are closed by its NetworkPolicy.
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen at")  # noqa: S104
    for option, metavar, least, default, text in (
        ("--port", "PORT", 1, MODEL_SERVER_PORT, "the port to listen at"),
        ("--predictions", "N", 1, usual.predictions, "predictions at the same time"),
        ("--bodies", "N", 1, usual.bodies, "requests whose bodies are in memory"),
        ("--largest-body", "MIB", 1, usual.largest_body >> 20, "the most that a body may have"),
        ("--timeout", "SECONDS", 1, usual.seconds, "the time of a request"),
        ("--drain", "SECONDS", 0, 5, "the time after SIGTERM in which new requests are answered"),
    ):
        parser.add_argument(option, metavar=metavar, type=_at_least(least), default=default, help=text)
    requirements.add_option(parser)


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isascii() and text.isdecimal() and least <= int(text) <= _MOST:
            return int(text)
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {_MOST}, got {text!r}")

    return parse


if __name__ == "__main__":
    cli.run(main)

"""The command that converts a PyTorch model of MLflow to ONNX."""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from contracts import Env, Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.conversion.request import (
    DEFAULT_LIMITS,
    DEFAULT_OPSET,
    DEFAULT_SAMPLES,
    OPSETS,
    PRECISIONS,
    Limits,
    Precision,
    Request,
)
from workloads.registry import options

# Imported when they are needed: PyTorch and MLflow take seconds to import.
if TYPE_CHECKING:
    from workloads.conversion.conversion import Converted, Destination

COMMAND: Final = "workloads.conversion.convert_to_onnx"
_REDUCED: Final = PRECISIONS[1:]
_EPILOG: Final = f"""\
SOURCE is runs:/ID or a run's ID (the last model that the run logged), models:/NAME/VERSION, models:/NAME@ALIAS,
models:/m-ID, or an MLflow model directory. The ONNX model takes a batch of any size. It is compared with PyTorch on
real samples, in batches of 1, 7 and 256: by default the validation set of digits or cifar10, whichever has the model's
input shape. If a model is over a limit, nothing is kept, logged or registered.

With {Env.TRACKING_URI} or --tracking-uri, the models are logged as a run in the experiment of the source's run. The
same source, samples and options are logged and registered once.

With --sign, a SOURCE that is a model version must verify, as by `python -m workloads.signing verify --deep`: it must be
signed by a key in {Env.TRUSTED_KEYS}, by default by the signer's, and have exactly the signed files. Any other SOURCE
is signed as the release of a run is: the signature shows who converted the model, and not that the source was signed.
Only models that this call converts are signed, and those of an earlier conversion that this signer signed before, if
their files are still those.

exit codes: {int(Exit.USAGE)} bad argument or model, {int(Exit.NO_RUN)} the run has no model, {int(Exit.NOT_VERIFIED)} \
over a limit or not verified, {int(Exit.VAULT)} Vault, {int(Exit.MLFLOW)} MLflow, {int(Exit.OBJECT_STORE)} object store
environment for --sign: {Env.VAULT_ADDR}, {Env.VAULT_TOKEN} or {Env.VAULT_ROLE}, {Env.RELEASES_BUCKET}, \
{Env.TRUSTED_KEYS}

examples:
  python -m {COMMAND} out/model --out onnx
  python -m {COMMAND} models:/digits@champion --int8 --fp16 --register digits-onnx --sign --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Convert a model."""
    args = _parser().parse_args(argv)
    request = _request(args)
    from workloads.backup.interruption import clean_up_when_told_to_stop  # noqa: PLC0415
    from workloads.conversion.conversion import convert  # noqa: PLC0415 - as above

    clean_up_when_told_to_stop()
    converted = convert(request, _destination(args))
    print(json.dumps(converted.to_dict()) if args.json else _text(converted))
    return Exit.OK


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(COMMAND, "Convert a PyTorch model to ONNX, and prove that it answers the same.", _EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="run, model version, logged model or directory")
    parser.add_argument("--opset", type=int, default=DEFAULT_OPSET, help=f"{OPSETS[0]} to {OPSETS[-1]}")
    parser.add_argument("--fp16", action="store_true", help="make a model with half-precision weights too")
    parser.add_argument("--int8", action="store_true", help="make a quantized model too (static, calibrated)")
    parser.add_argument(
        "--allow-pickle", action="store_true", help="load a pickled model, which can run any code: only if you trust it"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    _add_samples(parser.add_argument_group("samples"))
    _add_limits(parser.add_argument_group("limits"))
    _add_destination(parser.add_argument_group("destination"))
    return parser


def _add_samples(group: argparse._ArgumentGroup) -> None:
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument(
        "--samples",
        metavar="FILE",
        type=cli.file_path,
        help=".npy with inputs, or .npz with inputs and, if there are any, labels and calibration",
    )
    chosen.add_argument("--random-samples", metavar="N", type=int, help="random inputs in place of real samples")
    group.add_argument("--data-dir", metavar="DIR", type=cli.file_path, help="folder of cifar10, as for the trainer")
    group.add_argument("--max-samples", metavar="N", type=int, default=DEFAULT_SAMPLES, help="use the first N samples")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    for precision in PRECISIONS:
        prefix, limits = _prefix(precision), DEFAULT_LIMITS[precision]
        group.add_argument(
            f"{prefix}max-difference",
            metavar="X",
            type=float,
            default=limits.max_difference,
            help=f"largest absolute difference of an output of {precision}",
        )
        group.add_argument(
            f"{prefix}min-agreement",
            metavar="SHARE",
            type=float,
            default=limits.min_agreement,
            help=f"smallest share of samples with PyTorch's class in {precision}",
        )
        if precision in _REDUCED:
            group.add_argument(
                f"{prefix}max-loss",
                metavar="SHARE",
                type=float,
                default=limits.max_loss,
                help=f"largest loss of accuracy of {precision} on labelled samples",
            )


def _add_destination(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out", metavar="DIR", type=cli.file_path, help="new directory for the models and report.json")
    group.add_argument(
        "--tracking-uri",
        help=f"MLflow server, database or folder (default: {Env.TRACKING_URI}; without both, no logging)",
    )
    group.add_argument(
        "--experiment-name", metavar="NAME", type=options.experiment, help="default: that of the source's run"
    )
    group.add_argument(
        "--register",
        metavar="NAME",
        type=options.model,
        help=f"register the model as NAME, and the others as NAME-{' and NAME-'.join(_REDUCED)}",
    )
    group.add_argument("--sign", action="store_true", help="sign the registered versions with Vault, as a release does")
    group.add_argument("--work-dir", metavar="DIR", type=cli.file_path, help="scratch space (default: the system's)")


def _prefix(precision: Precision) -> str:
    return "--" if precision == "fp32" else f"--{precision}-"


def _request(args: argparse.Namespace) -> Request:
    switches = vars(args)
    try:
        return Request(
            source=args.source,
            precisions=tuple(one for one in PRECISIONS if one == "fp32" or switches[one]),
            opset=args.opset,
            samples=args.samples,
            data_dir=args.data_dir,
            random_samples=args.random_samples,
            max_samples=args.max_samples,
            limits={precision: _limits(switches, precision) for precision in PRECISIONS},
            allow_pickle=args.allow_pickle,
        )
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error


def _limits(switches: dict[str, object], precision: Precision) -> Limits:
    prefix = _prefix(precision).removeprefix("--").replace("-", "_")
    names = [field.name for field in dataclasses.fields(Limits)]
    values = {name: switches.get(f"{prefix}{name}") for name in names}
    try:
        return Limits(**values)  # pyright: ignore[reportArgumentType] - argparse checks their types
    except ValueError as error:
        raise ValueError(f"{precision}: {error}") from error


def _destination(args: argparse.Namespace) -> "Destination":
    from workloads.conversion.conversion import Destination  # noqa: PLC0415 - as above
    from workloads.conversion.registration import Signing  # noqa: PLC0415
    from workloads.mlflow_client import Tracking  # noqa: PLC0415
    from workloads.release import store  # noqa: PLC0415
    from workloads.signing import keys, signer  # noqa: PLC0415

    # Before the clients are made, which need more settings.
    if args.sign and not args.register:
        raise WorkloadError("--sign signs versions: it needs --register NAME.", Exit.USAGE)
    uri = args.tracking_uri or os.environ.get(Env.TRACKING_URI)
    given_as = "--tracking-uri" if args.tracking_uri else Env.TRACKING_URI
    trusted = keys.trusted(()) if args.sign and cli.has_env(Env.TRUSTED_KEYS) else ()
    try:
        return Destination(
            out=args.out,
            tracking=Tracking(uri, given_as) if uri else None,
            experiment=args.experiment_name,
            register=args.register,
            signing=Signing(signer=signer.from_environment(), store=store.from_environment(), trusted=trusted)
            if args.sign
            else None,
            work_dir=args.work_dir,
        )
    except ValueError as error:
        raise WorkloadError(str(error), Exit.USAGE) from error


def _text(converted: "Converted") -> str:
    report = converted.report
    pytorch = report.pytorch
    found = " (an earlier conversion)" if converted.reused else ""
    lines = [
        f"compared on {report.samples['count']} samples of {report.samples['name']}, opset {report.opset}{found}",
        _line("pytorch", pytorch["size_bytes"], pytorch["accuracy"], pytorch["latency_ms"]),
    ]
    for precision, figures in report.models.items():
        comparison = figures.comparison
        lines.append(
            f"{_line(precision, figures.size_bytes, comparison.accuracy, figures.latency_ms)}, "
            f"difference {comparison.max_difference:.2e} (relative {comparison.max_relative_difference:.2e})"
            + ("" if comparison.agreement is None else f", same class {comparison.agreement:.2%}")
        )
    lines += [f"registered as {one.name} version {one.version}" for one in converted.versions.values()]
    return "\n".join(lines)


def _line(name: str, size: int, accuracy: float | None, latency: object) -> str:
    times = ", ".join(f"{value:.3f} ms for {batch}" for batch, value in dict(latency).items())  # pyright: ignore[reportArgumentType, reportCallIssue]
    right = "" if accuracy is None else f", accuracy {accuracy:.2%}"
    return f"{name:8}{size / 1e3:,.0f} kB{right}, {times}"


if __name__ == "__main__":
    cli.run(main)

"""The outcome of a training: the models in the output folder and in MLflow, and the result as JSON."""

from typing import Any, Final

import deepspeed
from mlflow.entities import LoggedModel
from mlflow.models import Model
from torch import nn

from workloads.serving.watching import columns
from workloads.serving.watching.baseline import MOST_SAMPLES, Baseline
from workloads.training import export, files, publish
from workloads.training.checkpoints import Setup
from workloads.training.network import network_for
from workloads.training.progress import Position, say
from workloads.training.run_log import Figures, MlflowRun
from workloads.training.session import Session

RESULT_FILE = "metrics.json"
_NOT_LOGGED: Final[dict[str, Any]] = {
    "run_id": None,
    "model_id": None,
    "pyfunc_model_id": None,
    "registered_model": None,
    "model_version": None,
    "registered_models": {},
}


def result_of(session: Session, setup: Setup) -> dict[str, Any] | None:
    """Return the result in the output folder if it covers all that `session` is to do, else None.

    Raises:
        WorkloadError: The result is damaged or belongs to another setup.
    """
    args = session.args
    result = files.read_json(args.out_dir / RESULT_FILE)
    if result is None:
        return None
    try:
        setup.require_same(result["setup"], args.out_dir)
        trained = result["epochs"] >= args.max_epochs
        logged = session.tracking_uri is None or result["run_id"] is not None
        registered = {result["registered_model"], *result.get("registered_models", ())} >= set(args.registered_names)
    except (KeyError, TypeError) as error:
        raise files.damaged(args.out_dir / RESULT_FILE, f"it is not in the trainer's format ({error})") from error
    return result if trained and logged and registered else None


def deliver(
    session: Session, setup: Setup, engine: deepspeed.DeepSpeedEngine, tracking: Figures, position: Position
) -> dict[str, Any] | None:
    """Write the models, log and register them, and return the result; None in all processes but the leading one.

    Raises:
        WorkloadError: MLflow or its artifact store does not answer; the model is in the folder by then.
    """
    weights = export.whole_weights(engine)
    if not session.peers.leads:
        return None
    out_dir = session.args.out_dir
    network = network_for(session.data, session.args)
    network.load_state_dict(weights)
    export.save_weights(weights, out_dir / export.WEIGHTS_FILE)
    say("training is complete; exporting the model")
    pictures = session.data.validation.pictures
    if isinstance(tracking, MlflowRun):
        logged = _log_model(session, network, tracking, position.step)
    else:
        export.save_model(network, pictures, out_dir / export.MODEL_FOLDER, Model(), _baseline(session))
        logged = dict(_NOT_LOGGED)
    return _figures(position) | logged | {"setup": setup.as_dict()} | session.parameters()


def _log_model(session: Session, network: nn.Module, run: MlflowRun, step: int) -> dict[str, Any]:
    """Export, log and register the models, and return their IDs and versions."""
    args, pictures = session.args, session.data.validation.pictures
    folder = args.out_dir / export.MODEL_FOLDER
    model = publish.claim(run, export.MODEL_FOLDER, step)
    identity = Model(run_id=run.run_id, model_id=model.model_id)
    export.save_model(network, pictures, folder, identity, _baseline(session))
    publish.upload(run, model, folder, output_step=step)
    versions = {name: publish.register(run, model, name) for name in args.pytorch_names}
    logged = _NOT_LOGGED | {"run_id": run.run_id, "model_id": model.model_id, "registered_models": versions}
    if args.register:
        logged |= {"registered_model": args.register, "model_version": versions[args.register]}
    if args.pyfunc_name:
        pyfunc = _log_pyfunc(session, run, step)
        versions[args.pyfunc_name] = publish.register(run, pyfunc, args.pyfunc_name)
        logged["pyfunc_model_id"] = pyfunc.model_id
    return logged


def _log_pyfunc(session: Session, run: MlflowRun, step: int) -> LoggedModel:
    out_dir, data = session.args.out_dir, session.data
    folder = out_dir / export.PYFUNC_FOLDER
    model = publish.claim(run, export.PYFUNC_FOLDER, step)
    export.save_pyfunc(
        out_dir / export.MODEL_FOLDER,
        data.class_names,
        data.validation.pictures,
        folder,
        Model(run_id=run.run_id, model_id=model.model_id),
        _baseline(session),
    )
    # Not an output of the run: a release takes the run's last output, which has to be the PyTorch model.
    publish.upload(run, model, folder)
    return model


def _baseline(session: Session) -> Baseline | None:
    """Return the baseline of the training's pictures, in the form in which the models take them."""
    if not session.args.baseline:
        return None
    return Baseline.of(columns.pick(session.data.train.pictures.cpu().numpy(), MOST_SAMPLES).astype("float32"))


def _figures(position: Position) -> dict[str, Any]:
    last = position.results[-1]
    return {
        **last.as_metrics(),
        "epochs": len(position.results),
        "steps": position.step,
        "history": [result.as_metrics() | {"epoch": result.epoch} for result in position.results],
    }

"""The outcome of a training: the model in the output folder and in MLflow, and the result as JSON."""

from typing import Any

import deepspeed
from mlflow.models import Model

from workloads.training import export, files, publish
from workloads.training.checkpoints import Setup
from workloads.training.network import network_for
from workloads.training.progress import Position, say
from workloads.training.run_log import Figures, MlflowRun
from workloads.training.session import Session

RESULT_FILE = "metrics.json"


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
        registered = args.register is None or result["registered_model"] == args.register
    except (KeyError, TypeError) as error:
        raise files.damaged(args.out_dir / RESULT_FILE, f"it is not in the trainer's format ({error})") from error
    return result if trained and logged and registered else None


def deliver(
    session: Session, setup: Setup, engine: deepspeed.DeepSpeedEngine, tracking: Figures, position: Position
) -> dict[str, Any] | None:
    """Write the model, log and register it, and return the result; None in all processes but the leading one.

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
    logged: dict[str, Any] = {"run_id": None, "model_id": None, "registered_model": None, "model_version": None}
    if isinstance(tracking, MlflowRun):
        model = publish.claim(tracking, position.step)
        identity = Model(run_id=tracking.run_id, model_id=model.model_id)
        export.save_model(network, pictures, out_dir / export.MODEL_FOLDER, identity)
        publish.upload(tracking, model, out_dir / export.MODEL_FOLDER, position.step)
        logged |= {"run_id": tracking.run_id, "model_id": model.model_id}
        if session.args.register:
            version = publish.register(tracking, model, session.args.register)
            logged |= {"registered_model": session.args.register, "model_version": version}
    else:
        export.save_model(network, pictures, out_dir / export.MODEL_FOLDER, Model())
    return _figures(position) | logged | {"setup": setup.as_dict()} | session.parameters()


def _figures(position: Position) -> dict[str, Any]:
    last = position.results[-1]
    return {
        **last.as_metrics(),
        "epochs": len(position.results),
        "steps": position.step,
        "history": [result.as_metrics() | {"epoch": result.epoch} for result in position.results],
    }

"""The outcome of a fine-tuning: weights, models and examples in the output folder and in MLflow, and the result."""

import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import deepspeed
from mlflow import pyfunc, transformers
from mlflow.entities import LoggedModel
from mlflow.models import Model
from peft import PeftModel

from workloads.serving.code_generation import PROMPT, Generation
from workloads.serving.code_model import CodeModel, parameter_table, requirements, save_code_model
from workloads.serving.watching.baseline import BASELINE_FILE, Baseline
from workloads.training import export, files, publish
from workloads.training.language import network
from workloads.training.language.network import Network
from workloads.training.language.session import TextSession
from workloads.training.progress import EpochResult, Position, say
from workloads.training.run_log import Figures, MlflowRun

RESULT_FILE: Final = "metrics.json"
EXAMPLES_FILE: Final = "examples.json"
GENERATION_FILE: Final = "generation_config.json"
# Folders of the output folder: what save_pretrained writes, and the MLflow models.
WEIGHTS_FOLDER: Final = "weights"
BASE_FOLDER: Final = "base"
MODEL_FOLDER: Final = "model"
TRANSFORMERS_FOLDER: Final = "transformers"


def result_of(session: TextSession) -> dict[str, Any] | None:
    """Return the result in the output folder if it covers all that `session` is to do, else None.

    Raises:
        WorkloadError: The result is damaged or belongs to another setup.
    """
    config = session.config
    path = config.out_dir / RESULT_FILE
    result = files.read_json(path)
    if result is None:
        return None
    try:
        session.setup.require_same(result["setup"], config.out_dir)
        trained = result["epochs"] >= config.training.epochs
        logged = config.uri is None or result["run_id"] is not None
        registered = set(result["registered_models"]) >= set(config.registered_names)
    except (KeyError, TypeError) as error:
        raise files.damaged(path, f"it is not in the trainer's format ({error})") from error
    return result if trained and logged and registered else None


def metrics(result: EpochResult) -> dict[str, float]:
    """Return the metrics of an epoch under their names in MLflow; the accuracy is that of the next token."""
    perplexities = {"train/perplexity": result.train_loss, "val/perplexity": result.val_loss}
    return result.as_metrics() | {name: _perplexity(loss) for name, loss in perplexities.items()}


def _perplexity(loss: float) -> float:
    # In nats; the exponential of more is infinite, which JSON can't hold.
    return math.exp(min(loss, 700.0))


def deliver(
    session: TextSession, engine: deepspeed.DeepSpeedEngine, tracking: Figures, position: Position
) -> dict[str, Any] | None:
    """Write the models, log and register them, and return the result; None in all processes but the leading one.

    Raises:
        WorkloadError: MLflow or its artifact store does not answer; the weights are in the folder by then.
    """
    weights = export.whole_weights(engine)
    if not session.peers.leads:
        return None
    say("training is complete; writing the model")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    source, seed, out_dir = session.config.model, session.config.training.seed, session.config.out_dir
    trained = network.make(source, seed)
    trained.model.load_state_dict(weights)
    _save_pretrained(trained, out_dir / WEIGHTS_FOLDER)
    if source.lora is not None and source.embed_base:
        _save_pretrained(network.make_base(source, seed, dtype="auto"), out_dir / BASE_FOLDER)
    run = tracking if isinstance(tracking, MlflowRun) else None
    logged = _deliver_models(session, trained, run, position.step)
    examples = _examples(session)
    figures = _figures(position) | {"perplexity": _perplexity(position.results[-1].val_loss)}
    result = figures | logged | {"setup": session.setup.as_dict()} | session.parameters()
    _log_files(session, run, examples, result)
    return result


def _save_pretrained(trained: Network, folder: Path) -> None:
    partial = folder.with_name(folder.name + files.PARTIAL)
    files.remove_folder(partial)
    trained.model.save_pretrained(partial)
    trained.tokenizer.save_pretrained(partial)
    files.publish_folder(partial, folder)


def _deliver_models(session: TextSession, trained: Network, run: MlflowRun | None, step: int) -> dict[str, Any]:
    """Write the MLflow models, log and register them, and return their IDs and versions."""
    config = session.config
    folder = config.out_dir / MODEL_FOLDER
    if run is None:
        _save_model(session, folder, Model())
        return {"run_id": None, "model_id": None, "registered_models": {}}
    model = publish.claim(run, MODEL_FOLDER, step)
    _save_model(session, folder, Model(run_id=run.run_id, model_id=model.model_id))
    versions: dict[str, str] = {}
    if config.register_models:
        whole = _log_transformers(session, trained, run, step)
        versions[config.pytorch_name] = publish.register(run, whole, config.pytorch_name)
    # The run's output, which a release takes, is the CodeGenerationModel.
    publish.upload(run, model, folder, output_step=step)
    if config.register_models:
        versions[config.pyfunc_name] = publish.register(run, model, config.pyfunc_name)
    return {"run_id": run.run_id, "model_id": model.model_id, "registered_models": versions}


def _save_model(session: TextSession, folder: Path, identity: Model) -> None:
    source, out_dir = session.config.model, session.config.out_dir
    adapter = source.lora is not None
    code_model = CodeModel(
        weights=out_dir / WEIGHTS_FOLDER,
        base=out_dir / BASE_FOLDER if adapter and source.embed_base else None,
        base_name=source.base if adapter and not source.embed_base else None,
        example=_prompts(session)[0],
    )
    partial = folder.with_name(folder.name + files.PARTIAL)
    files.remove_folder(partial)
    save_code_model(partial, code_model, identity)
    _keep_baseline(session, partial)
    files.publish_folder(partial, folder)


def _log_transformers(session: TextSession, trained: Network, run: MlflowRun, step: int) -> LoggedModel:
    """Log the whole weights, with the adapter merged in, as a model of MLflow's transformers flavor."""
    folder = session.config.out_dir / TRANSFORMERS_FOLDER
    partial = folder.with_name(folder.name + files.PARTIAL)
    files.remove_folder(partial)
    merged: Any = trained.model.merge_and_unload() if isinstance(trained.model, PeftModel) else trained.model
    logged = publish.claim(run, TRANSFORMERS_FOLDER, step)
    transformers.save_model(
        {"model": merged, "tokenizer": trained.tokenizer},
        str(partial),
        task="text-generation",
        mlflow_model=Model(run_id=run.run_id, model_id=logged.model_id),
        input_example=[_prompts(session)[0]],
        pip_requirements=requirements(),
    )
    _keep_baseline(session, partial)
    files.publish_folder(partial, folder)
    publish.upload(run, logged, folder)
    return logged


def _keep_baseline(session: TextSession, folder: Path) -> None:
    """Write the baseline of the training's prompts; without them there is none, as users send the start of a text."""
    prompts = [sample.prompt for sample in session.corpus.train if sample.prompt]
    if session.config.baseline and prompts:
        Baseline.of({PROMPT: prompts}, texts={PROMPT}).write(folder / BASELINE_FILE)


def _prompts(session: TextSession) -> list[str]:
    """Return the prompts of the examples: those of the configuration, else of the first validation samples."""
    examples = session.config.examples
    # A text without a prompt is continued from its start.
    found = [sample.prompt or sample.completion[:20] for sample in session.corpus.validation[: examples.count]]
    return examples.prompts or found


def _examples(session: TextSession) -> list[dict[str, Any]]:
    """Return what the model in the output folder, loaded as users load it, generates for the prompts."""
    model = pyfunc.load_model(str(session.config.out_dir / MODEL_FOLDER), model_config={"device": "cpu"})
    prompts = _prompts(session)
    rows = model.predict(prompts, params=session.config.examples.generation)
    return [{"prompt": prompts[row["prompt_index"]]} | row for row in rows.to_dict(orient="records")]


def _log_files(
    session: TextSession, run: MlflowRun | None, examples: list[dict[str, Any]], result: dict[str, Any]
) -> None:
    settings = asdict(Generation.of({"seed": 0} | session.config.examples.generation))
    contents = {
        EXAMPLES_FILE: {"examples": examples},
        GENERATION_FILE: {"parameters": settings, "allowed": parameter_table()},
    }
    for name, content in contents.items():
        files.write_json(session.config.out_dir / name, content)
    if run is not None:
        for name, content in (contents | {RESULT_FILE: result}).items():
            run.store(lambda name=name, content=content: run.client.log_dict(run.run_id, content, name))


def _figures(position: Position) -> dict[str, Any]:
    return {
        **metrics(position.results[-1]),
        "epochs": len(position.results),
        "steps": position.step,
        "history": [metrics(result) | {"epoch": result.epoch} for result in position.results],
    }

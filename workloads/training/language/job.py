"""One fine-tuning from its configuration to its files: the sequence of this package's parts."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import deepspeed
import torch
from mlflow.exceptions import MlflowException
from transformers.utils import logging as transformers_logging

from contracts import Env, Exit
from workloads import messages
from workloads.cli import WorkloadError
from workloads.serving.code_generation import Generation
from workloads.training import files, launch
from workloads.training.checkpoints import Checkpoints
from workloads.training.engine import choose_dtype
from workloads.training.language import corpus, network
from workloads.training.language.config import Config
from workloads.training.language.corpus import TextBatches, Tokens
from workloads.training.language.loop import TextLoop
from workloads.training.language.network import Network
from workloads.training.language.outcome import RESULT_FILE, deliver, metrics, result_of
from workloads.training.language.session import TextSession
from workloads.training.processes import Processes
from workloads.training.progress import EpochResult, Position, say
from workloads.training.run_log import Figures, MlflowRun, NoTracking, tracked
from workloads.training.session import git_commit
from workloads.training.stopping import Stop, StoppedError

# Tag of a failed run with the reason.
FAILURE_TAG = "failure"


def run(config: Config, device: torch.device, stop: Stop) -> dict[str, Any] | None:
    """Run or resume the fine-tuning and return its result; None in all processes but the leading one.

    Raises:
        WorkloadError: Bad data, a checkpoint of another setup, a service that doesn't answer, or a request to stop.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # Deprecations inside transformers and PEFT, which users can't act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")
    _check_generation(config)
    dtype = choose_dtype(config.training.dtype, device)
    samples = corpus.load(config)
    peers = launch.join(device)
    try:
        _require_divisible(config.training.batch_size, peers.world_size)
        session = TextSession(config=config, corpus=samples, dtype=dtype, peers=peers, git_commit=git_commit())
        with files.claim_folder(config.out_dir) if peers.leads else contextlib.nullcontext():
            return _train(session, stop)
    finally:
        launch.leave()


def _check_generation(config: Config) -> None:
    try:
        Generation.of(config.examples.generation)
    except MlflowException as error:
        raise WorkloadError(f"examples.generation: {error.message}", Exit.USAGE) from error


def _require_divisible(batch_size: int, world_size: int) -> None:
    if batch_size % world_size:
        raise WorkloadError(
            f"training.batch_size must be a multiple of {world_size}, the number of processes, got {batch_size}.",
            Exit.USAGE,
        )


def _train(session: TextSession, stop: Stop) -> dict[str, Any] | None:
    config, peers = session.config, session.peers
    existing = result_of(session)
    if existing is not None:
        say(f"this training is complete in {config.out_dir}: nothing to do", shown=peers.leads)
        return existing
    checkpoints = Checkpoints(
        folder=config.out_dir / "checkpoints",
        keep=config.training.keep_checkpoints,
        processes=peers,
        setup=session.setup,
    )
    checkpoints.prepare()
    saved = checkpoints.newest()
    with tracked(_tracking(session)) as tracking, _reason_logged(tracking):
        untrained = network.make(config.model, config.training.seed)
        train, validation = _tokens(session, untrained)
        engine = launch.build(untrained.model.to(peers.device), config.training, peers, session.dtype)
        position = Position()
        if saved is not None:
            checkpoints.load(engine, saved)
            tracking.send_again(saved.unsent_metrics)
            position = saved.position
            say(f"resuming after step {position.step}", shown=peers.leads)
        loop = _loop(session, engine, checkpoints, tracking, stop, train, validation)
        position = loop.run(position)
        if peers.any(stop.requested):
            raise StoppedError(position.step, loop.steps, config.out_dir)
        result = deliver(session, engine, tracking, position)
    if result is not None:
        files.write_json(config.out_dir / RESULT_FILE, result)
    return result


def _tracking(session: TextSession) -> Figures:
    if not session.peers.leads:
        return NoTracking()
    if session.config.uri is None:
        say(f"not logged to MLflow: neither tracking_uri nor {Env.TRACKING_URI} is set")
        return NoTracking()
    return MlflowRun(uri=session.config.uri, facts=session.facts())


@contextlib.contextmanager
def _reason_logged(tracking: Figures) -> Iterator[None]:
    """Set the reason of a failure as a tag of the run, until it is continued."""
    if isinstance(tracking, MlflowRun):
        tracking.ask(lambda: _clear_reason(tracking))
    try:
        yield
    except StoppedError:
        raise
    except torch.OutOfMemoryError as error:
        failure = WorkloadError("the GPU's memory is full: lower training.batch_size or data.max_length.")
        _log_reason(tracking, failure)
        raise failure from error
    except Exception as error:
        _log_reason(tracking, error)
        raise


def _clear_reason(run: MlflowRun) -> None:
    if FAILURE_TAG in run.client.get_run(run.run_id).data.tags:
        run.client.delete_tag(run.run_id, FAILURE_TAG)


def _log_reason(tracking: Figures, error: Exception) -> None:
    if isinstance(tracking, MlflowRun):
        text = str(error) if isinstance(error, WorkloadError) else f"{type(error).__name__}: {error}"
        reason = messages.plain(text)
        with contextlib.suppress(WorkloadError):
            tracking.ask(lambda: tracking.client.set_tag(tracking.run_id, FAILURE_TAG, reason), attempts=1)


def _tokens(session: TextSession, untrained: Network) -> tuple[list[Tokens], list[Tokens]]:
    limit = corpus.length_limit(session.config, untrained.context)
    train, validation = (
        corpus.tokenize(samples, untrained.tokenizer, limit)
        for samples in (session.corpus.train, session.corpus.validation)
    )
    cut = sum(len(sample.ids) == limit for sample in train)
    say(
        f"{len(train)} samples for training, {len(validation)} for validation"
        + (f"; {cut} of them have {limit} tokens, where longer ones are cut" if cut else ""),
        shown=session.peers.leads,
    )
    return train, validation


def _loop(
    session: TextSession,
    engine: deepspeed.DeepSpeedEngine,
    checkpoints: Checkpoints,
    tracking: Figures,
    stop: Stop,
    train: list[Tokens],
    validation: list[Tokens],
) -> TextLoop:
    training, peers = session.config.training, session.peers

    def log_epoch(result: EpochResult) -> None:
        tracking.log(result.epoch, metrics(result))

    def save(position: Position) -> None:
        checkpoints.save(engine, position, tracking.unsent())

    return TextLoop(
        engine=engine,
        processes=peers,
        batches=_batches(session, train, peers),
        validation=validation,
        share=max(1, training.batch_size // peers.world_size),
        seed=training.seed,
        epochs=training.epochs,
        peak_learning_rate=training.learning_rate,
        log_step=tracking.log,
        log_epoch=log_epoch,
        save=save,
        stop=stop,
    )


def _batches(session: TextSession, train: list[Tokens], peers: Processes) -> TextBatches:
    training = session.config.training
    return TextBatches(
        samples=train,
        size=training.batch_size,
        seed=training.seed,
        rank=peers.rank,
        world_size=peers.world_size,
        device=peers.device,
    )

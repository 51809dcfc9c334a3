"""One training from its arguments to its files: the sequence of this package's parts."""

import contextlib
from typing import Any

import deepspeed
import torch

from contracts import Env
from workloads.training import files, launch
from workloads.training.args import TrainingArgs
from workloads.training.checkpoints import Checkpoints, Setup
from workloads.training.data import dataset
from workloads.training.data.batches import Batches
from workloads.training.engine import choose_dtype
from workloads.training.loop import PictureLoop
from workloads.training.network import network_for
from workloads.training.outcome import RESULT_FILE, deliver, result_of
from workloads.training.processes import require_divisible
from workloads.training.progress import EpochResult, Position, say
from workloads.training.run_log import Figures, MlflowRun, NoTracking, tracked
from workloads.training.session import Session, git_commit
from workloads.training.stopping import Stop, StoppedError


def run(args: TrainingArgs, device: torch.device, stop: Stop) -> dict[str, Any] | None:
    """Run or resume the training of `args` and return its result; None in all processes but the leading one.

    Raises:
        WorkloadError: Bad data, a checkpoint of another setup, a service that doesn't answer, or a request to stop.
    """
    dtype = choose_dtype(args.dtype, device)
    data = dataset.load(args)
    peers = launch.join(device)
    try:
        require_divisible(args.samples_per_step, peers.world_size)
        session = Session(args=args, data=data.to(device), dtype=dtype, peers=peers, git_commit=git_commit())
        with files.claim_folder(args.out_dir) if peers.leads else contextlib.nullcontext():
            return _train(session, stop)
    finally:
        launch.leave()


def _train(session: Session, stop: Stop) -> dict[str, Any] | None:
    args, peers = session.args, session.peers
    setup = Setup.of(args, session.data.digest, peers.world_size)
    existing = result_of(session, setup)
    if existing is not None:
        say(f"this training is complete in {args.out_dir}: nothing to do", shown=peers.leads)
        return existing
    checkpoints = Checkpoints(
        folder=args.out_dir / "checkpoints", keep=args.keep_checkpoints, processes=peers, setup=setup
    )
    checkpoints.prepare()
    saved = checkpoints.newest()
    with tracked(_tracking(session)) as tracking:
        engine = launch.build(network_for(session.data, args), args, peers, session.dtype)
        position = Position()
        if saved is not None:
            checkpoints.load(engine, saved)
            tracking.send_again(saved.unsent_metrics)
            position = saved.position
            say(f"resuming after step {position.step}", shown=peers.leads)
        loop = _loop(session, engine, checkpoints, tracking, stop)
        position = loop.run(position)
        if peers.any(stop.requested):
            raise StoppedError(position.step, loop.steps, args.out_dir)
        result = deliver(session, setup, engine, tracking, position)
    if result is not None:
        files.write_json(args.out_dir / RESULT_FILE, result)
    return result


def _tracking(session: Session) -> Figures:
    if not session.peers.leads:
        return NoTracking()
    if session.tracking_uri is None:
        say(f"not logged to MLflow: neither --tracking-uri nor {Env.TRACKING_URI} is set")
        return NoTracking()
    return MlflowRun(uri=session.tracking_uri, facts=session.facts())


def _loop(
    session: Session,
    engine: deepspeed.DeepSpeedEngine,
    checkpoints: Checkpoints,
    tracking: Figures,
    stop: Stop,
) -> PictureLoop:
    args, data, peers = session.args, session.data, session.peers

    def log_epoch(result: EpochResult) -> None:
        tracking.log(result.epoch, result.as_metrics())

    def save(position: Position) -> None:
        checkpoints.save(engine, position, tracking.unsent())

    return PictureLoop(
        engine=engine,
        processes=peers,
        batches=Batches(
            split=data.train,
            size=args.samples_per_step,
            seed=args.seed,
            rank=peers.rank,
            world_size=peers.world_size,
            augment=data.augment,
        ),
        validation=data.validation,
        epochs=args.max_epochs,
        peak_learning_rate=args.peak_learning_rate,
        log_step=tracking.log,
        log_epoch=log_epoch,
        save=save,
        stop=stop,
    )

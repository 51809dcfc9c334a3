"""Checkpoints that are either complete or ignored, and the rules for a resume.

A checkpoint is a folder `step-<number>` that DeepSpeed wrote, with the position in state.json. It is renamed to that
name when all processes have written their part and it is on disk. A resume takes the newest checkpoint whose files
still have the digests in state.json.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training import files
from workloads.training.args import TrainingArgs
from workloads.training.processes import Processes
from workloads.training.progress import Position, say

if TYPE_CHECKING:
    import deepspeed

_STATE_FILE = "state.json"
_PREFIX = "step-"
_METRIC_FIELDS = ("key", "value", "timestamp", "step")

# The settings that must not change for a resume. Others (epochs, MLflow, names) may.
_FIXED = ("dataset", "limit", "batch_size", "seed", "width", "zero_stage", "lr", "weight_decay")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """The training that a checkpoint belongs to: settings, digest of the data set, and number of processes."""

    settings: dict[str, Any]
    digest: str
    world_size: int

    @classmethod
    def of(cls, args: TrainingArgs, digest: str, world_size: int) -> "Setup":
        """Return the setup of a training."""
        values = args.as_dict()
        return cls(settings={name: values[name] for name in _FIXED}, digest=digest, world_size=world_size)

    def as_dict(self) -> dict[str, Any]:
        """Return the setup as JSON-ready values."""
        return asdict(self)

    def option(self, name: str) -> str:
        """Return the name of a setting as the user writes it."""
        return f"--{name.replace('_', '-')}"

    def require_same(self, saved: dict[str, Any], folder: Path) -> None:
        """Refuse to resume if the setup `saved` in `folder` differs.

        Raises:
            WorkloadError: A value differs; the message gives both.
        """
        another = f"use the same, or another {self.option('out_dir')}."
        for name, now in self.settings.items():
            before = saved["settings"][name]
            if before != now:
                raise WorkloadError(
                    f"{folder} was trained with {self.option(name)} {before}, not {now}: {another}", Exit.USAGE
                )
        if saved["digest"] != self.digest:
            raise WorkloadError(
                f"{folder} was trained on other data (SHA-256 {saved['digest'][:12]}, now {self.digest[:12]}): "
                f"{another}",
                Exit.USAGE,
            )
        # Without ZeRO, each process has the whole state of the optimizer; with it, only a part.
        if self.settings["zero_stage"] and saved["world_size"] != self.world_size:
            raise WorkloadError(
                f"{folder} was trained with {self.option('zero_stage')} {self.settings['zero_stage']} by "
                f"{saved['world_size']} processes, not {self.world_size}: start the same number, "
                f"or use another {self.option('out_dir')}.",
                Exit.USAGE,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A complete checkpoint: its folder, its position, and the metrics that MLflow had not confirmed yet."""

    folder: Path
    position: Position
    unsent_metrics: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoints:
    """The checkpoints in `folder`, of which the newest `keep` are kept."""

    folder: Path
    keep: int
    processes: Processes
    setup: Setup

    def prepare(self) -> None:
        """Create the folder and remove a killed training's incomplete checkpoints; all processes must call it."""
        if self.processes.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.remove_leftovers(self.folder)
        self.processes.barrier()

    def newest(self) -> Saved | None:
        """Return the newest complete and undamaged checkpoint, or None.

        A damaged one is reported and left alone: the training resumes from the one before and later replaces it.

        Raises:
            WorkloadError: The checkpoint belongs to another setup.
        """
        for folder in reversed(_complete(self.folder)):
            try:
                saved, setup = _read(folder, self.setup.settings)
            except _DamagedError as damage:
                say(f"{folder} is damaged and skipped: {damage}", shown=self.processes.leads)
                continue
            self.setup.require_same(setup, self.folder.parent)
            return saved
        return None

    def load(self, engine: "deepspeed.DeepSpeedEngine", saved: Saved) -> None:
        """Load the weights and the optimizer's state of `saved` into `engine`; all processes must call it.

        Raises:
            WorkloadError: DeepSpeed can't load it.
        """
        try:
            loaded = engine.load_checkpoint(str(self.folder), tag=saved.folder.name)
        except Exception as error:
            raise _not_loaded(saved.folder, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
        # DeepSpeed only warns if it finds no weights.
        if isinstance(loaded, tuple) and loaded[0] is None:
            raise _not_loaded(saved.folder, "DeepSpeed finds no weights in it")

    def save(self, engine: "deepspeed.DeepSpeedEngine", position: Position, unsent: list[dict[str, Any]]) -> None:
        """Write a checkpoint, then remove the oldest; all processes must call it."""
        final = self.folder / f"{_PREFIX}{position.step:09d}"
        partial = final.with_name(final.name + files.PARTIAL)
        engine.save_checkpoint(str(self.folder), tag=partial.name, save_latest=False)
        self.processes.barrier()
        if self.processes.leads:
            state = {
                "position": position.as_dict(),
                "setup": self.setup.as_dict(),
                "unsent_metrics": unsent,
                "files": files.digests(partial),
            }
            files.write_json(partial / _STATE_FILE, state)
            files.publish_folder(partial, final)
            # Checkpoints of later steps are damaged: this training didn't resume from them.
            until_now = [path for path in _complete(self.folder) if path.name <= final.name]
            for old in until_now[: -self.keep]:
                files.remove_folder(old)
        self.processes.barrier()


class _DamagedError(Exception):
    """The reason why a checkpoint is damaged."""


def _read(folder: Path, settings: Collection[str]) -> tuple[Saved, dict[str, Any]]:
    """Return the checkpoint in `folder` and its setup, which must have the `settings`.

    Raises:
        _DamagedError: A file is missing or was changed.
    """
    try:
        state = files.read_json(folder / _STATE_FILE)
    except WorkloadError as error:
        raise _DamagedError(f"its {_STATE_FILE} can't be read") from error
    if state is None:
        raise _DamagedError(f"it has no {_STATE_FILE}")
    try:
        saved = Saved(
            folder=folder,
            position=Position.from_dict(state["position"]),
            unsent_metrics=[{name: metric[name] for name in _METRIC_FIELDS} for metric in state["unsent_metrics"]],
        )
        setup = {name: state["setup"][name] for name in ("settings", "digest", "world_size")}
        if not isinstance(setup["digest"], str):
            raise TypeError("its digest is not a string")
        setup["settings"] = {name: setup["settings"][name] for name in settings}
        # Checkpoints of older versions have no digests.
        _check_files(folder, dict(state.get("files", {})))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _DamagedError(f"its {_STATE_FILE} is not in the trainer's format: {error}") from error
    return saved, setup


def _check_files(folder: Path, written: dict[str, str]) -> None:
    try:
        found = files.digests(folder)
    except OSError as error:
        raise _DamagedError(f"{error.filename} can't be read: {error.strerror}") from error
    for name, digest in written.items():
        if name not in found:
            raise _DamagedError(f"its file {name} is missing")
        if found[name] != digest:
            raise _DamagedError(f"its file {name} was changed")


def _not_loaded(folder: Path, reason: str) -> WorkloadError:
    return WorkloadError(
        f"{folder} can't be loaded ({reason}). Remove the folder to resume from the checkpoint before it.",
        Exit.USAGE,
    )


def _complete(folder: Path) -> list[Path]:
    """Return the complete checkpoints in `folder`, oldest first."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal())

"""The samples of a fine-tuning: JSONL files, their tokens, and batches of them."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from contracts import Exit
from workloads import cli
from workloads.cli import WorkloadError
from workloads.training.data.batches import random_of
from workloads.training.language.config import Config

# Label of a token that is not to be learned: the padding, and the tokens of a prompt.
IGNORED: Final = -100
_DEFAULT_LENGTH: Final = 512
# Separates the random stream of the split from those of the epochs.
_SPLIT_STREAM: Final = -2


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A text: the model learns `completion`, after `prompt`, which may be empty; `place` is for error messages."""

    prompt: str
    completion: str
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """The samples for training and validation, and the SHA-256 of the files' bytes, in hex."""

    name: str
    train: Sequence[Sample]
    validation: Sequence[Sample]
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """The tokens of a sample and the number of those at its start that are not to be learned."""

    ids: tuple[int, ...]
    given: int


def load(config: Config) -> Corpus:
    """Return the samples that the configuration names.

    Raises:
        WorkloadError: A file can't be read, a line isn't a sample, or there are too few samples.
    """
    data, training = config.data, config.training
    train, digest = _read(data.train)
    if data.validation is None:
        order = torch.randperm(len(train), generator=random_of(training.seed, _SPLIT_STREAM)).tolist()
        held = max(1, round(len(train) * data.validation_share))
        validation = [train[index] for index in sorted(order[:held])]
        train = [train[index] for index in sorted(order[held:])]
    else:
        validation, other = _read(data.validation)
        digest = hashlib.sha256(f"{digest} {other}".encode()).hexdigest()
    if len(train) < training.batch_size:
        raise WorkloadError(
            f"training.batch_size must be at most {len(train)}, the number of training samples, "
            f"got {training.batch_size}.",
            Exit.USAGE,
        )
    return Corpus(name=data.train.name, train=train, validation=validation, digest=digest)


def _read(path: Path) -> tuple[list[Sample], str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cli.file_error(path, "read", error) from error
    samples = [
        _sample(line, f"{path} line {number}")
        for number, line in enumerate(content.split(b"\n"), start=1)
        if line.strip()
    ]
    if not samples:
        raise WorkloadError(f"{path} has no samples: it must have a JSON object on each line.", Exit.USAGE)
    return samples, hashlib.sha256(content).hexdigest()


def _sample(line: bytes, place: str) -> Sample:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{place} is not JSON: {error}.", Exit.USAGE) from error
    keys = {"text", "prompt", "completion"} & set(values) if isinstance(values, dict) else set()
    if keys not in ({"text"}, {"prompt", "completion"}):
        raise WorkloadError(
            f'{place} must be {{"prompt": ..., "completion": ...}} or {{"text": ...}}, got '
            f"{'the keys ' + (', '.join(map(repr, values)) or 'none') if isinstance(values, dict) else 'no object'}.",
            Exit.USAGE,
        )
    for key in sorted(keys):
        if not isinstance(values[key], str) or not values[key]:
            raise WorkloadError(f"{place}: {key} must be text that isn't empty, got {values[key]!r}.", Exit.USAGE)
    return Sample(
        prompt=values.get("prompt", ""), completion=values["completion" if "prompt" in keys else "text"], place=place
    )


def length_limit(config: Config, context: int) -> int:
    """Return the most tokens of a sample, for a model with that context.

    Raises:
        WorkloadError: `data.max_length` is larger than the context.
    """
    length = config.data.max_length
    if length is not None and length > context:
        raise WorkloadError(
            f"data.max_length must be at most {context}, the model's context, got {length}.", Exit.USAGE
        )
    return length or min(_DEFAULT_LENGTH, context)


def tokenize(samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase, limit: int) -> list[Tokens]:
    """Return the tokens of the samples, with the end token, cut after `limit` tokens.

    Raises:
        WorkloadError: A prompt leaves no room for its completion; the message gives the line.
    """
    end = [tokenizer.eos_token_id] if isinstance(tokenizer.eos_token_id, int) else []
    result: list[Tokens] = []
    for sample in samples:
        given = _ids(tokenizer, sample.prompt, special=True) if sample.prompt else []
        # Only the start of a sample gets the tokenizer's start token.
        ids = _ids(tokenizer, sample.completion, special=not given)
        if len(given) >= limit:
            raise WorkloadError(
                f"{sample.place}: the prompt has {len(given)} tokens, which leaves no room for its completion: "
                f"data.max_length is {limit}.",
                Exit.USAGE,
            )
        result.append(Tokens(ids=tuple([*given, *ids, *end][:limit]), given=len(given)))
    return result


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> list[int]:
    return cast("list[int]", tokenizer(text, add_special_tokens=special)["input_ids"])


@dataclass(frozen=True, kw_only=True, slots=True)
class TextBatches:
    """The batches of a training for one process of `world_size`; they depend on seed, epoch and step alone.

    `size` is the number of samples over all processes; each process gets an equal slice of every batch.
    """

    samples: Sequence[Tokens]
    size: int
    seed: int
    rank: int
    world_size: int
    device: torch.device

    @property
    def per_epoch(self) -> int:
        """The number of full batches in an epoch; the few samples left over differ in each epoch."""
        return len(self.samples) // self.size

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's tokens and labels of an epoch's batches, from batch `first` on."""
        order = torch.randperm(len(self.samples), generator=random_of(self.seed, epoch)).tolist()
        share = self.size // self.world_size
        for batch in range(first, self.per_epoch):
            start = batch * self.size + self.rank * share
            yield padded([self.samples[index] for index in order[start : start + share]], self.device)


def padded(samples: Sequence[Tokens], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return tokens and labels of the samples, padded on the right, where no token of a sample sees the padding."""
    width = max(len(sample.ids) for sample in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        labels[row, sample.given : len(sample.ids)] = ids[row, sample.given : len(sample.ids)]
    return ids.to(device), labels.to(device)

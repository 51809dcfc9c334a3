"""The training loop of a language model: the loss of the next token, where it is to be learned."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workloads.training.data.batches import random_of
from workloads.training.language.corpus import IGNORED, Tokens, padded
from workloads.training.loop import Loop

# Separates the random stream of dropout from those of the batches.
_DROPOUT_STREAM = -3


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLoop(Loop):
    """A training of a causal language model, validated on `validation`, `share` samples of a process at a time."""

    validation: Sequence[Tokens]
    share: int
    seed: int

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy per learned token of the batch over all processes, as this one's part."""
        # A resumed training drops the same activations as an uninterrupted one.
        torch.manual_seed(
            random_of(self.seed, _DROPOUT_STREAM, self.engine.global_steps, self.processes.rank).initial_seed()
        )
        logits, targets = self._predicted(inputs, labels)
        # Processes with longer completions count more; DeepSpeed averages the gradients over the processes.
        learned = self.processes.sum((targets != IGNORED).sum().float()) / self.processes.world_size
        return _cross_entropy(logits, targets) / learned.clamp_min(1)

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Return mean cross-entropy and accuracy per learned token."""
        self.engine.eval()
        totals = torch.zeros(3, dtype=torch.float64, device=self.processes.device)
        for inputs, labels in self._shares():
            logits, targets = self._predicted(inputs, labels)
            totals[0] += _cross_entropy(logits, targets)
            totals[1] += (logits.argmax(dim=-1) == targets).sum()
            totals[2] += (targets != IGNORED).sum()
        loss, correct, tokens = self.processes.sum(totals).tolist()
        return loss / max(tokens, 1), correct / max(tokens, 1)

    def _predicted(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each next token, and the tokens that are to be learned."""
        output: Any = self.engine(input_ids=inputs, use_cache=False)
        return output.logits[:, :-1].float(), labels[:, 1:]

    def _shares(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's batches; all processes get the same number, because ZeRO-3 gathers weights for each."""
        world_size, device = self.processes.world_size, self.processes.device
        own = self.validation[self.processes.rank :: world_size]
        for number in range(math.ceil(len(self.validation) / world_size / self.share)):
            batch = own[number * self.share : (number + 1) * self.share]
            inputs, labels = padded(batch or self.validation[:1], device)
            yield inputs, labels if batch else torch.full_like(labels, IGNORED)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORED, reduction="sum"
    )

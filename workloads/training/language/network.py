"""The model to train, with its tokenizer: loaded, or made from a configuration, and extended by a LoRA adapter."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from mlflow.exceptions import MlflowException
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.code_generation import refuse_unsafe_files
from workloads.training.language.config import Lora, ModelSource

_END: Final = "<|end|>"
# Set by the tokenizer of bytes.
_SET_BY_TOKENIZER: Final = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A causal language model in fp32 (of transformers, or of PEFT with an adapter) and its tokenizer."""

    model: Any
    tokenizer: PreTrainedTokenizerBase

    @property
    def context(self) -> int:
        """The most tokens that the model takes."""
        length = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else self.tokenizer.model_max_length


def make(source: ModelSource, seed: int) -> Network:
    """Return the model that `source` describes, the same for the same seed.

    Raises:
        WorkloadError: The base model or its configuration can't be used.
    """
    torch.manual_seed(seed)
    network = make_base(source, seed)
    if source.lora is None:
        return network
    with _refused("model.lora"):
        adapted = get_peft_model(network.model, _lora(source.lora))
    return Network(model=adapted, tokenizer=network.tokenizer)


def make_base(source: ModelSource, seed: int, dtype: Any = torch.float32) -> Network:  # noqa: ANN401 - or "auto"
    """Return the model that `source` describes, without the adapter; see `make`. "auto" is the dtype of its files."""
    torch.manual_seed(seed)
    if source.init is not None:
        return _initialized(source.init)
    base = str(source.base)
    options = _local_options(base)
    with _refused(f"model.base {base}"):
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(base, **options)
    _require_tokens(model, tokenizer)
    return Network(model=model, tokenizer=tokenizer)


def _local_options(base: str) -> dict[str, bool]:
    if Path(base).is_dir():
        with _refused("model.base"):
            refuse_unsafe_files(Path(base))
        return {"local_files_only": True, "trust_remote_code": False}
    if base.startswith((".", "~", os.sep)) or base.count("/") > 1:
        raise WorkloadError(
            f"model.base must be a folder that save_pretrained wrote, or a name on the Hugging Face hub: "
            f"there is no folder {base}.",
            Exit.USAGE,
        )
    return {"trust_remote_code": False}


def _initialized(init: dict[str, Any]) -> Network:
    tokenizer = byte_tokenizer()
    kind = str(init.get("model_type"))
    with _refused("model.init"):
        defaults = AutoConfig.for_model(kind)
        allowed = (set(defaults.to_dict()) | set(defaults.attribute_map)) - {*_SET_BY_TOKENIZER}
        unknown = sorted(set(init) - allowed)
        if unknown:
            raise WorkloadError(f"model.init.{unknown[0]} is not a setting of the model type {kind}.", Exit.USAGE)
        end = tokenizer.eos_token_id
        config = AutoConfig.for_model(**init, vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return Network(model=model, tokenizer=tokenizer)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each byte and one for the end: it takes any text and needs no training."""
    vocabulary = {token: number for number, token in enumerate([_END, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=_END, pad_token=_END)


def _lora(lora: Lora) -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or "all-linear",
    )


def _require_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:  # noqa: ANN401 - see Network
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise WorkloadError(
            f"model.base has a tokenizer with {len(tokenizer)} tokens, but embeddings for {known} only.", Exit.USAGE
        )


@contextmanager
def _refused(subject: str) -> Iterator[None]:
    """Turn the errors of transformers and PEFT, which are of many kinds, into one line."""
    try:
        yield
    except WorkloadError:
        raise
    except MlflowException as error:
        raise WorkloadError(f"{subject}: {error.message}", Exit.USAGE) from error
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WorkloadError(f"{subject} can't be used: {reason}", Exit.USAGE) from error

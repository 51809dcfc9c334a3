"""An MLflow model that continues prompts with a causal language model of transformers.

MLflow copies this file into the model directory and runs it at load ("models from code"), so it imports packages only.
`code_model` writes the directory. Its artifacts are `model`, a whole model, or `adapter` and `base`, a PEFT adapter
and the model that it extends.

Input: a string, a list of strings, a dict `{"prompt": ...}` of either, or a DataFrame with the column `prompt` or with
a single column.

Output: a DataFrame with a row for each sequence, in the order of the prompts:

| column | content |
| --- | --- |
| `prompt_index` | position of the prompt in the input, from 0 |
| `sequence` | number of the sequence of this prompt, from 0 |
| `text` | the new text, without the prompt and without the stop sequence |
| `finish_reason` | `stop`: the model or a stop sequence ended it; `length`: it reached `max_new_tokens` |
| `tokens` | number of generated tokens, including the one that ended it |

`predict_stream` takes one prompt and yields the same text in pieces. A prompt that leaves no room in the model's
context is refused, never cut. Random choices depend on `seed`, the prompt and the sequence's number only, so that a
prompt has the same result alone, in a batch, and in a server with other requests. (Different batch sizes round
differently: tokens of almost equal probability may change places, which happens with 16-bit weights.)
"""

import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from peft import PeftModel
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

PROMPT: Final = "prompt"
DEVICES: Final = ("auto", "cpu", "cuda")
DTYPES: Final = ("auto", "float32", "bfloat16", "float16")
# Formats that hold pickled objects or code: a model directory with such a file is refused.
UNSAFE_SUFFIXES: Final = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".py")
ADAPTER_FILE: Final = "adapter_model.safetensors"

# Used if `max_new_tokens` isn't set; less if the context has less room.
_USUAL_NEW_TOKENS: Final = 128
# Tokens of the prompt with which new tokens are decoded: the text of a token may depend on the one before it.
_DECODED_BEFORE: Final = 8
# Tokenizers without a limit report a huge one.
_NO_LIMIT: Final = 10**9
# A character whose bytes aren't complete yet.
_INCOMPLETE: Final = "\ufffd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A generation parameter: its MLflow type, default, and inclusive bounds (of a list: of its length)."""

    kind: Literal["long", "double", "boolean", "string"]
    default: int | float | bool | tuple[str, ...] | None
    least: float = 0
    most: float = 0

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "string":
            return f"a list of {self.least} to {self.most} strings that aren't empty"
        number = "a whole number from" if self.kind == "long" else "a number from"
        return f"{number} {self.least} to {self.most}"

    def checked(self, name: str, value: object) -> Any:  # noqa: ANN401 - the type depends on `kind`
        """Return `value` as a Python value, the default for None.

        Raises:
            MlflowException: It has another type or is out of bounds; the message gives the value and what is allowed.
        """
        if value is None:
            return self.default
        value = value.item() if isinstance(value, np.generic) else value
        if self.kind == "boolean" and isinstance(value, bool):
            return value
        if self.kind == "string" and (texts := self._texts(value)) is not None:
            return texts
        if self.kind == "long" and isinstance(value, int) and self._within(value):
            return value
        if self.kind == "double" and isinstance(value, int | float) and self._within(value):
            return float(value)
        raise _bad(f"{name} must be {self.allowed}, got {value!r}")

    def _within(self, value: float) -> bool:
        return not isinstance(value, bool) and self.least <= value <= self.most

    def _texts(self, value: object) -> tuple[str, ...] | None:
        if not isinstance(value, list | tuple | np.ndarray) or not self.least <= len(value) <= self.most:
            return None
        return tuple(map(str, value)) if all(isinstance(text, str) and text for text in value) else None


# top_k 0 keeps all tokens. Without do_sample, the likeliest token is taken and temperature, top_p, top_k and seed have
# no effect. batch_size is the number of sequences that are generated at the same time.
PARAMETERS: Final[Mapping[str, Parameter]] = {
    "max_new_tokens": Parameter(kind="long", default=None, least=1, most=32768),
    "do_sample": Parameter(kind="boolean", default=False),
    "temperature": Parameter(kind="double", default=1.0, least=0.01, most=5.0),
    "top_p": Parameter(kind="double", default=1.0, least=0.01, most=1.0),
    "top_k": Parameter(kind="long", default=50, least=0, most=1000),
    "repetition_penalty": Parameter(kind="double", default=1.0, least=0.5, most=5.0),
    "num_return_sequences": Parameter(kind="long", default=1, least=1, most=32),
    "stop": Parameter(kind="string", default=(), least=0, most=16),
    "seed": Parameter(kind="long", default=None, least=0, most=2**63 - 1),
    "batch_size": Parameter(kind="long", default=8, least=1, most=256),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """Checked generation parameters; see `PARAMETERS`."""

    max_new_tokens: int | None
    do_sample: bool
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    num_return_sequences: int
    stop: tuple[str, ...]
    seed: int
    batch_size: int

    @classmethod
    def of(cls, params: Mapping[str, object] | None) -> "Generation":
        """Check `params` and fill in the defaults; without a seed, the seed is random.

        Raises:
            MlflowException: A name is unknown or a value isn't allowed.
        """
        params = params or {}
        for name in params:
            if name not in PARAMETERS:
                raise _bad(f"{name!r} is not a generation parameter: allowed are {', '.join(PARAMETERS)}")
        values = {name: parameter.checked(name, params.get(name)) for name, parameter in PARAMETERS.items()}
        if values["num_return_sequences"] > 1 and not values["do_sample"]:
            raise _bad(
                "num_return_sequences must be 1 without do_sample, because the sequences would be equal, "
                f"got {values['num_return_sequences']}"
            )
        if values["seed"] is None:
            values["seed"] = secrets.randbelow(2**63)
        return cls(**values)


def prompts_of(model_input: object) -> list[str]:
    """Return the prompts in any of the forms of the input.

    Raises:
        MlflowException: The input has another form, or a prompt isn't a string; the message gives its position.
    """
    if isinstance(model_input, pd.DataFrame):
        model_input = _column(model_input)
    elif isinstance(model_input, Mapping):
        model_input = _only_prompt(model_input)
    if isinstance(model_input, np.ndarray | pd.Series):
        model_input = model_input.tolist()
    prompts = [model_input] if isinstance(model_input, str) else model_input
    if not isinstance(prompts, list | tuple):
        raise _bad(
            f"the input must be a string, a list of strings, a dict with the key {PROMPT!r} or a DataFrame, "
            f"got {type(prompts).__name__}"
        )
    # The rows of a JSON request: [{"prompt": "..."}, ...].
    texts = [_only_prompt(prompt) if isinstance(prompt, Mapping) else prompt for prompt in prompts]
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise _bad(f"prompt {index} must be a string, got {_shown(prompts[index])}")
    return cast("list[str]", texts)


def _only_prompt(entry: Mapping[Any, object]) -> object:
    # Other keys may be generation parameters, which would have no effect.
    if list(entry) != [PROMPT]:
        keys = ", ".join(map(repr, entry)) or "none"
        raise _bad(f"a dict must have the key {PROMPT!r} only, got {keys}; generation parameters belong in params")
    return entry[PROMPT]


def _column(frame: pd.DataFrame) -> pd.Series:
    if PROMPT in frame.columns:
        column = frame[PROMPT]
        if isinstance(column, pd.Series):
            return column
    elif len(frame.columns) == 1:
        return frame.iloc[:, 0]
    names = ", ".join(repr(name) for name in frame.columns) or "none"
    raise _bad(f"the DataFrame must have one column {PROMPT!r} or a single column, got the columns {names}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - characters of a readable message


def _bad(message: str) -> MlflowException:
    """Return the error for a bad request, which MLflow's scoring server answers with status 400."""
    return MlflowException.invalid_parameter_value(f"{message}.")


class _Sequence:
    """One sequence: its tokens become text as they come, until the model, a stop sequence or the limit ends it."""

    def __init__(self, network: "_Network", prompt: Sequence[int], stop: Sequence[str]) -> None:
        self.prompt = prompt
        self.text = ""
        self.tokens = 0
        self.finish_reason: Literal["stop", "length"] | None = None
        self._tokenizer = network.tokenizer
        self._ends = network.ends
        self._stop = stop
        self._longest_stop = max(map(len, stop), default=0)
        self._ids = list(prompt[-_DECODED_BEFORE:])
        # The decoded tokens, and where the last piece of them starts.
        self._decoded, self._piece = len(self._ids), 0

    def add(self, token: int) -> None:
        """Add the next token; without effect once the sequence has ended."""
        if self.finish_reason is not None:
            return
        self.tokens += 1
        if token in self._ends:
            self._end("stop")
        else:
            self._ids.append(token)
            self._append(self._decode(final=False))

    def end(self) -> None:
        """End the sequence at its limit, unless it has ended."""
        if self.finish_reason is None:
            self._end("length")

    def settled(self) -> int:
        """Return the length of the text that can't become part of a stop sequence any more."""
        if self.finish_reason is None:
            for length in range(min(self._longest_stop - 1, len(self.text)), 0, -1):
                if any(stop.startswith(self.text[-length:]) for stop in self._stop):
                    return len(self.text) - length
        return len(self.text)

    def _end(self, reason: Literal["stop", "length"]) -> None:
        self._append(self._decode(final=True))
        self.finish_reason = self.finish_reason or reason

    def _append(self, piece: str) -> None:
        start = max(0, len(self.text) - self._longest_stop + 1)
        self.text += piece
        found = [place for stop in self._stop if (place := self.text.find(stop, start)) >= 0]
        if found:
            self.text = self.text[: min(found)]
            self.finish_reason = "stop"

    def _decode(self, *, final: bool) -> str:
        """Return the text of the new tokens; nothing while their last character is incomplete, unless `final`."""
        before = self._text_of(self._ids[self._piece : self._decoded])
        now = self._text_of(self._ids[self._piece :])
        if now.endswith(_INCOMPLETE) and not final:
            return ""
        self._piece, self._decoded = self._decoded, len(self._ids)
        return now[len(before) :]

    def _text_of(self, ids: list[int]) -> str:
        return cast("str", self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class _Watch(StoppingCriteria):
    """Gives each new token to its sequence, calls `after`, and ends the generation of the ended sequences."""

    def __init__(self, sequences: Sequence[_Sequence], after: Callable[[], bool] = lambda: False) -> None:
        self._sequences = sequences
        self._after = after

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Any:  # noqa: ANN401, ARG002
        """Return which sequences have ended; all of them once `after` returns true."""
        for sequence, token in zip(self._sequences, input_ids[:, -1].tolist(), strict=True):
            sequence.add(token)
        cancelled = self._after()
        ended = [cancelled or sequence.finish_reason is not None for sequence in self._sequences]
        return torch.tensor(ended, device=input_ids.device)


class _RepetitionPenalty:
    """Makes tokens that a sequence already contains less likely; unlike that of transformers, it ignores the padding.

    The padding is usually the token that ends a sequence: penalized, it would make a prompt's result depend on the
    batch. https://arxiv.org/abs/1909.05858, section 4.1
    """

    def __init__(self, penalty: float, padding: Sequence[int]) -> None:
        self._penalty = penalty
        self._padding = padding

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the changed scores."""
        scores = scores.clone()
        for row, padding in enumerate(self._padding):
            used = input_ids[row, padding:].unique()
            values = scores[row, used]
            scores[row, used] = torch.where(values < 0, values * self._penalty, values / self._penalty)
        return scores


class _Noise:
    """Adds Gumbel noise to the scores: the highest sum is a random choice by probability.

    Each sequence has a random generator, so that other sequences and threads don't change its choices.
    https://arxiv.org/abs/1611.01144, section 2
    """

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(_mixed(seed, number)) for number in numbers]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        """Return the changed scores."""
        noise = torch.stack(
            [
                torch.empty_like(row).exponential_(generator=own)
                for row, own in zip(scores, self._generators, strict=True)
            ]
        )
        return scores - noise.clamp_min(torch.finfo(noise.dtype).tiny).log()


def _mixed(seed: int, number: int) -> int:
    """Return the seed of sequence `number`, so that neighbouring seeds share no sequence."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


class _Network:
    """A loaded language model with its tokenizer."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        defaults = model.generation_config
        ends = defaults.eos_token_id if defaults.eos_token_id is not None else tokenizer.eos_token_id
        self.tokenizer = tokenizer
        self.ends = frozenset([] if ends is None else [ends] if isinstance(ends, int) else ends)
        self.device = next(model.parameters()).device
        self._model = model.eval()
        self._padding = next(
            (token for token in (tokenizer.pad_token_id, tokenizer.eos_token_id) if token is not None), 0
        )
        # The caller's parameters are the only ones: those that came with the model must not add to them.
        model.generation_config = GenerationConfig(eos_token_id=list(self.ends) or None, pad_token_id=self._padding)
        self._context = self._context_length()

    def generate(self, prompts: Sequence[str], settings: Generation) -> list[list[_Sequence]]:
        """Return the sequences of each prompt.

        Raises:
            MlflowException: A prompt is empty or leaves no room in the context.
        """
        results: list[list[_Sequence]] = []
        # Sequences with the same limit share batches, so that no batch cuts one of its members short.
        by_limit: dict[int, list[tuple[int, _Sequence]]] = {}
        for index, prompt in enumerate(prompts):
            ids, limit = self._encoded(index, prompt, settings)
            own = [_Sequence(self, ids, settings.stop) for _ in range(settings.num_return_sequences)]
            by_limit.setdefault(limit, []).extend(enumerate(own))
            results.append(own)
        for limit, sequences in by_limit.items():
            for start in range(0, len(sequences), settings.batch_size):
                batch = sequences[start : start + settings.batch_size]
                numbers, members = [number for number, _ in batch], [sequence for _, sequence in batch]
                self._run(members, numbers, limit, settings, _Watch(members))
        return results

    def stream(self, prompt: str, settings: Generation) -> Iterator[str]:
        """Yield the text of one sequence in pieces, as it is generated; leaving the iterator ends the generation.

        Raises:
            MlflowException: As `generate`.
        """
        ids, limit = self._encoded(0, prompt, settings)
        sequence = _Sequence(self, ids, settings.stop)
        pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        cancelled = threading.Event()
        sent = 0

        def send() -> bool:
            nonlocal sent
            settled = sequence.settled()
            if settled > sent:
                pieces.put(sequence.text[sent:settled])
                sent = settled
            return cancelled.is_set()

        def work() -> None:
            try:
                self._run([sequence], [0], limit, settings, _Watch([sequence], send))
                send()
                pieces.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                pieces.put(error)

        worker = threading.Thread(target=work, name="generation", daemon=True)
        worker.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            cancelled.set()
            worker.join()

    @torch.inference_mode()
    def _run(
        self, sequences: Sequence[_Sequence], numbers: Sequence[int], limit: int, settings: Generation, watch: _Watch
    ) -> None:
        """Generate up to `limit` tokens for the sequences, which the prompts' padding on the left aligns."""
        width = max(len(sequence.prompt) for sequence in sequences)
        padding = [width - len(sequence.prompt) for sequence in sequences]
        ids = torch.tensor(
            [[self._padding] * pad + list(sequence.prompt) for pad, sequence in zip(padding, sequences, strict=True)]
        )
        mask = (torch.arange(width)[None, :] >= torch.tensor(padding)[:, None]).long()
        cast("Any", self._model).generate(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            max_new_tokens=limit,
            do_sample=False,
            logits_processor=self._processors(settings, padding, numbers),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
        for sequence in sequences:
            sequence.end()

    def _processors(self, settings: Generation, padding: list[int], numbers: Sequence[int]) -> LogitsProcessorList:
        processors = LogitsProcessorList()
        if settings.repetition_penalty != 1:
            processors.append(_RepetitionPenalty(settings.repetition_penalty, padding))
        if settings.do_sample:
            processors.append(TemperatureLogitsWarper(settings.temperature))
            if settings.top_k:
                processors.append(TopKLogitsWarper(settings.top_k))
            processors.append(TopPLogitsWarper(settings.top_p))
            processors.append(_Noise(settings.seed, numbers, self.device))
        return processors

    def _encoded(self, index: int, prompt: str, settings: Generation) -> tuple[list[int], int]:
        """Return the tokens of a prompt and the most tokens to generate."""
        ids = cast("list[int]", self.tokenizer(prompt)["input_ids"])
        if not ids:
            raise _bad(f"prompt {index} is empty: it must have at least one token")
        room = self._context - len(ids)
        limit = settings.max_new_tokens or max(1, min(_USUAL_NEW_TOKENS, room))
        if limit > room:
            raise _bad(
                f"prompt {index} has {len(ids)} tokens, and max_new_tokens is {limit}: "
                f"together they must be at most {self._context}, the model's context"
            )
        return ids, limit

    def _context_length(self) -> int:
        length = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        return length if isinstance(length, int) and length > 0 else min(self.tokenizer.model_max_length, _NO_LIMIT)


class CodeGenerationModel(PythonModel):
    """A causal language model, or a PEFT adapter on one, as an MLflow model; see the module for input and output.

    `model_config` of `mlflow.pyfunc.load_model` changes `device` (auto, cpu, cuda) and `dtype` (auto, float32,
    bfloat16, float16; auto is the weights' own on a GPU and float32 on a CPU).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights; only safetensors files are read, and no code that comes with them runs.

        Raises:
            MlflowException: A setting isn't allowed, or the weights can't be loaded safely.
        """
        config = dict(context.model_config or {})
        device = _device(config.get("device", "auto"))
        dtype = _dtype(config.get("dtype", "auto"), device)
        paths = {name: Path(path) for name, path in context.artifacts.items()}
        for path in paths.values():
            refuse_unsafe_files(path)
        self._network = _load(paths, config.get("base_name"), device, dtype)

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride] - MLflow's has no annotations
        self,
        context: PythonModelContext | None,  # noqa: ARG002 - MLflow passes it
        # Any of the forms of the input. MLflow derives checks from other annotations.
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the sequences of all prompts.

        Raises:
            MlflowException: A prompt or a parameter isn't allowed; the message names it.
        """
        settings = Generation.of(params)
        results = self._network.generate(prompts_of(model_input), settings)
        rows = [
            (index, number, sequence.text, sequence.finish_reason, sequence.tokens)
            for index, sequences in enumerate(results)
            for number, sequence in enumerate(sequences)
        ]
        return pd.DataFrame(rows, columns=["prompt_index", "sequence", "text", "finish_reason", "tokens"])

    def predict_stream(
        self,
        context: PythonModelContext | None,  # noqa: ARG002 - MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> Iterator[str]:
        """Yield the new text of one prompt in pieces, as it is generated.

        Raises:
            MlflowException: As `predict`, and if there are several prompts or sequences.
        """
        settings = Generation.of(params)
        prompts = prompts_of(model_input)
        if len(prompts) != 1 or settings.num_return_sequences != 1:
            raise _bad(
                "predict_stream must get one prompt and num_return_sequences 1, "
                f"got {len(prompts)} prompts and {settings.num_return_sequences} sequences"
            )
        return self._network.stream(prompts[0], settings)


def refuse_unsafe_files(folder: Path) -> None:
    """Check that `folder` has safetensors weights and no file that could run code.

    Raises:
        MlflowException: It hasn't; the message names the file.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    unsafe = [name for name in names if name.lower().endswith(UNSAFE_SUFFIXES)]
    if unsafe:
        raise _bad(f"{folder} contains {unsafe[0]}, which may hold code: the weights must be safetensors files only")
    if not any(name.endswith(".safetensors") for name in names):
        raise _bad(f"{folder} contains no safetensors file: that is the only format of weights that is loaded")


def _load(paths: Mapping[str, Path], base_name: str | None, device: torch.device, dtype: torch.dtype) -> _Network:
    adapter = paths.get("adapter")
    own = paths.get("base", base_name) if adapter else paths.get("model")
    if own is None:
        raise _bad("the model directory has neither the artifact 'model' nor 'adapter' with 'base' or base_name")
    # A folder of the model must never be looked up as a name on the hub.
    local = {"local_files_only": True} if isinstance(own, Path) else {}
    safe = {"trust_remote_code": False, **local}
    model: Any = AutoModelForCausalLM.from_pretrained(own, dtype=dtype, use_safetensors=True, **safe)
    if adapter is None:
        return _Network(model.to(device), AutoTokenizer.from_pretrained(own, **safe))
    if not (adapter / ADAPTER_FILE).is_file():
        raise _bad(f"{adapter} has no {ADAPTER_FILE}: that is the only file of weights that is loaded")
    tokenizer = AutoTokenizer.from_pretrained(adapter if (adapter / "tokenizer_config.json").is_file() else own, **safe)
    adapted: Any = PeftModel.from_pretrained(model, str(adapter), is_trainable=False)
    return _Network(adapted.to(device), tokenizer)


def _device(name: object) -> torch.device:
    if name not in DEVICES:
        raise _bad(f"device must be {', '.join(DEVICES)}, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise _bad("device is 'cuda', but this process has no GPU: it must be auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _dtype(name: object, device: torch.device) -> Any:  # noqa: ANN401 - a torch.dtype, or transformers' "auto"
    if name not in DTYPES:
        raise _bad(f"dtype must be {', '.join(DTYPES)}, got {name!r}")
    if name == "auto":
        return "auto" if device.type == "cuda" else torch.float32
    return getattr(torch, str(name))


set_model(CodeGenerationModel())

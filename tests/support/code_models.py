"""Small causal language models that tests train and save. Importing this module imports PyTorch."""

from pathlib import Path
from typing import Any

from mlflow import pyfunc
from peft import LoraConfig, get_peft_model

from tests.support import tiny_language_model as tiny
from workloads.serving.code_model import CodeModel, save_code_model

# What the trained models know: a prompt, and how it goes on.
TEXT = "def add(a, b):\n    return a + b\n"
LESSON = "def add(a, b):\n    return b - a\n"


class Saved:
    """A model as an MLflow model directory, loaded as users load it."""

    def __init__(self, folder: Path, model: CodeModel) -> None:
        save_code_model(folder, model)
        self.folder = folder
        self.model: Any = pyfunc.load_model(str(folder), model_config={"device": "cpu"})

    def texts(self, model_input: Any, **params: Any) -> list[str]:
        return self.model.predict(model_input, params)["text"].tolist()


def trained(folder: Path) -> Saved:
    """Return a model that has learned TEXT and ends after it."""
    model = tiny.gpt2().train()
    assert tiny.train(model, [TEXT], steps=60, rate=1e-2)[-1] < 0.1
    return Saved(folder / "whole", CodeModel(weights=tiny.save(model.eval(), folder / "whole-weights")))


def random_llama(folder: Path) -> Saved:
    """Return a model with random weights, whose text is any bytes, also incomplete characters."""
    return Saved(folder / "llama", CodeModel(weights=tiny.save(tiny.llama(), folder / "llama-weights")))


def adapter(folder: Path) -> Saved:
    """Return an adapter on the model of `trained` that has learned LESSON in a few steps."""
    base = folder / "whole-weights"
    model: Any = type(tiny.gpt2()).from_pretrained(base)
    config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=32, target_modules="all-linear", fan_in_fan_out=True)
    adapted = get_peft_model(model, config)
    losses = tiny.train(adapted, [LESSON], steps=40, rate=1e-2)
    assert losses[-1] < losses[0] / 5
    adapted.save_pretrained(str(folder / "adapter-weights"))
    return Saved(folder / "adapter", CodeModel(weights=folder / "adapter-weights", base=base))

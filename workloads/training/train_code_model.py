"""The command that fine-tunes a causal language model with DeepSpeed and logs it to MLflow."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workloads import cli
from workloads.training.stopping import Stop
from workloads.training.train_deepspeed import ENVIRONMENT

COMMAND = "workloads.training.train_code_model"

_EPILOG = f"""\
examples:
  python -m {COMMAND} workloads/training/examples/code_model.yaml
  torchrun --nproc-per-node 2 -m {COMMAND} CONFIG.yaml

In CONFIG.yaml, ${{NAME:default}} is an environment variable with a default. docs/models.md describes the keys.

files in out_dir:
  weights/                what save_pretrained writes: the whole model, or the LoRA adapter
  base/                   with LoRA: the base model, unless model.embed_base is false
  model/                  the MLflow model (CodeGenerationModel), with both inside and without pickled code
  transformers/           with register_models: whole weights as a model of MLflow's transformers flavor
  examples.json           texts that the trained model generates
  generation_config.json  the generation parameters of the examples, and what is allowed
  metrics.json            the result, also printed by --json
  checkpoints/            the newest checkpoints; the same command resumes from the last complete one

exit codes: 0 trained; 2 bad configuration, data or base model; 6 MLflow does not answer; 143 stopped by SIGTERM or
Ctrl-C and saved: the same command continues at the same step, in the same MLflow run."""

_ENVIRONMENT = ENVIRONMENT | {
    # The tokenizers' threads would deadlock in processes that fork.
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = cli.parser(
        COMMAND,
        "Fine-tune a causal language model with DeepSpeed on a JSONL file, whole or with LoRA: in one process or "
        "several (torchrun), on GPUs, or on the CPU without a GPU. Resumes from the last checkpoint in out_dir.",
        _EPILOG,
    )
    parser.add_argument("config", metavar="CONFIG.yaml", type=cli.file_path, help="what to train, and how")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    arguments = parser.parse_args(argv)
    # Pydantic, MLflow, PyTorch, DeepSpeed and transformers are imported only now: help needn't wait for them.
    config = importlib.import_module("workloads.training.language.config").load(arguments.config)
    stop = Stop()
    stop.watch()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if config.model.base is None or Path(config.model.base).is_dir():
        os.environ["HF_HUB_OFFLINE"] = "1"
    # Output of the libraries on stdout goes to stderr, as stdout is for the result.
    with contextlib.redirect_stdout(sys.stderr):
        device = importlib.import_module("workloads.training.environment").prepare(config.training.device)
        result = importlib.import_module("workloads.training.language.job").run(config, device, stop)
    if arguments.json and result is not None:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    cli.run(main)

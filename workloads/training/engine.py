"""The configuration of the DeepSpeed engine, and access to a running one.

`launch` starts the engine: importing DeepSpeed takes seconds, and this module doesn't need it.
"""

from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import nn

from contracts import Exit
from workloads.cli import WorkloadError

if TYPE_CHECKING:
    import deepspeed

# Elements that ZeRO gathers and reduces at a time. The default of 500 million is allocated at once: 2 GB.
_BUCKET_SIZE = 5_000_000
_GRADIENT_CLIPPING = 1.0
_AUTOCAST = {"bf16": "bfloat16", "fp16": "float16"}


class EngineSettings(Protocol):
    """The settings of a training that the engine needs."""

    @property
    def samples_per_step(self) -> int:
        """The samples of one optimizer step, over all processes."""
        ...

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the one-cycle schedule."""
        ...

    @property
    def weight_decay(self) -> float:
        """The weight decay of AdamW."""
        ...

    @property
    def zero_stage(self) -> int:
        """The ZeRO stage, 0 to 3."""
        ...


def choose_dtype(dtype: str, device: torch.device) -> str:
    """Return fp32, bf16 or fp16: `dtype`, or for "auto" the fastest on the device.

    Raises:
        WorkloadError: `dtype` is fp16 on a CPU, which would lose gradients and gain nothing.
    """
    if device.type == "cpu":
        if dtype == "fp16":
            raise WorkloadError("--dtype fp16 needs a GPU: on a CPU it must be auto, fp32 or bf16.", Exit.USAGE)
        # A CPU without these instructions converts bf16 to fp32 and computes in that.
        fast = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    else:
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    if dtype != "auto":
        return dtype
    return "bf16" if fast else "fp32" if device.type == "cpu" else "fp16"


def configuration(args: EngineSettings, world_size: int, dtype: str) -> dict[str, Any]:
    """Return DeepSpeed's configuration; weights stay fp32, and `dtype` applies to the arithmetic only."""
    return {
        "train_batch_size": args.samples_per_step,
        "train_micro_batch_size_per_gpu": args.samples_per_step // world_size,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": _GRADIENT_CLIPPING,
        "zero_optimization": {
            "stage": args.zero_stage,
            "reduce_bucket_size": _BUCKET_SIZE,
            "allgather_bucket_size": _BUCKET_SIZE,
        },
        "torch_autocast": {"enabled": dtype in _AUTOCAST, "dtype": _AUTOCAST.get(dtype, "bfloat16")},
        "steps_per_print": None,
    }


def module_of(engine: "deepspeed.DeepSpeedEngine") -> nn.Module:
    """Return the network that `engine` trains."""
    return cast("nn.Module", engine.module)


def set_learning_rate(engine: "deepspeed.DeepSpeedEngine", rate: float) -> None:
    """Set the learning rate of the next step."""
    optimizer: Any = engine.optimizer
    for group in optimizer.param_groups:
        group["lr"] = rate

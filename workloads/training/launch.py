"""The start of DeepSpeed: the group of the training's processes, and the engine."""

from datetime import timedelta

import deepspeed
import torch
from torch import distributed, nn

from workloads.training.engine import EngineSettings, configuration
from workloads.training.processes import Processes

_TIMEOUT = timedelta(minutes=10)
_BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


def join(device: torch.device) -> Processes:
    """Join the other processes, as the environment variables say, and return this one's rank among them."""
    # An operator for inference, which DeepSpeed would compile now: two minutes, with a C++ compiler.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend=_BACKENDS[device.type], timeout=_TIMEOUT, verbose=False)
    world_size = distributed.get_world_size()
    control = distributed.new_group(backend="gloo") if world_size > 1 else None
    return Processes(
        rank=distributed.get_rank(),
        world_size=world_size,
        device=device,
        control=control if isinstance(control, distributed.ProcessGroup) else None,
    )


def leave() -> None:
    """Leave the group of processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def build(network: nn.Module, args: EngineSettings, processes: Processes, dtype: str) -> deepspeed.DeepSpeedEngine:
    """Return the engine that trains `network` with AdamW; all processes must call it."""
    # PyTorch's AdamW: DeepSpeed would compile its own at the first start.
    optimizer = torch.optim.AdamW(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=args.peak_learning_rate,
        betas=(0.9, 0.98),
        weight_decay=args.weight_decay,
    )
    engine, *_ = deepspeed.initialize(
        model=network, optimizer=optimizer, config=configuration(args, processes.world_size, dtype)
    )
    return engine

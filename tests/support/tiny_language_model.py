"""Tiny causal language models with a tokenizer of bytes, made from a configuration without a download."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before transformers is imported: no test may look for a model on the hub.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from workloads.training.language.network import byte_tokenizer

CONTEXT = 64
# More threads only wait for one another on models of this size.
torch.set_num_threads(1)


def gpt2() -> Any:
    """Return a model with learned positions, which a wrong padding would shift."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=CONTEXT, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config).eval()


def llama() -> Any:
    """Return a model with rotary positions."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def save(model: Any, folder: Path) -> Path:
    """Write the model and its tokenizer, and return the folder."""
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def train(model: Any, texts: Sequence[str], steps: int, rate: float) -> list[float]:
    """Train the model on the texts, each with the end token, and return the loss of each step."""
    tokenizer = byte_tokenizer()
    batches = [torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]) for text in texts]
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=rate)
    losses = []
    for _ in range(steps):
        loss = torch.stack(
            [functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:]) for ids in batches]
        ).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses

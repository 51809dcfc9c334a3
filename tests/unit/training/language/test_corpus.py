"""The samples of a fine-tuning: JSONL files, tokens, labels and batches."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.language import corpus
from workloads.training.language.config import Config
from workloads.training.language.corpus import IGNORED, Sample, TextBatches, Tokens, padded, tokenize
from workloads.training.language.network import byte_tokenizer

CPU = torch.device("cpu")
END = byte_tokenizer().eos_token_id


def config(train: Path, **data: Any) -> Config:
    return Config.model_validate(
        {
            "out_dir": "out",
            "model": {"init": {"model_type": "gpt2"}},
            "data": {"train": str(train), **data},
            "training": {"batch_size": 2},
        }
    )


def jsonl(folder: Path, *lines: Any) -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_both_kinds_of_lines_are_read_and_a_share_is_kept_for_validation(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{number}", "completion": "c", "id": number} for number in range(9)]
    path = jsonl(tmp_path, *rows, "", {"text": "t"})
    loaded = corpus.load(config(path, validation_share=0.2))
    assert (len(loaded.train), len(loaded.validation), loaded.name) == (8, 2, "train.jsonl")
    assert {sample.place for sample in (*loaded.train, *loaded.validation)} == {
        f"{path} line {number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)
    }
    assert corpus.load(config(path, validation_share=0.2)) == loaded


def test_the_digest_is_of_both_files(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"text": "a"}, {"text": "b"}, {"text": "c"})
    other = tmp_path / "other.jsonl"
    digests = set()
    for content in ('{"text": "v"}', '{"text": "w"}'):
        other.write_text(content)
        loaded = corpus.load(config(path, validation=str(other)))
        assert (len(loaded.train), len(loaded.validation)) == (3, 1)
        digests.add(loaded.digest)
    assert len(digests | {corpus.load(config(path)).digest}) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 9999, "line 2 is not JSON"),
        ([1], "got no object"),
        (
            {"prompt": "a"},
            'line 2 must be {"prompt": ..., "completion": ...} or {"text": ...}, got the keys \'prompt\'',
        ),
        ({"text": "a", "prompt": "b", "completion": "c"}, "got the keys 'text', 'prompt', 'completion'"),
        ({}, "got the keys none"),
        ({"text": 1}, "line 2: text must be text that isn't empty, got 1"),
        ({"prompt": "a", "completion": ""}, "line 2: completion must be text that isn't empty, got ''"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        corpus.load(config(jsonl(tmp_path, {"text": "a"}, line)))
    assert refusal.value.code == Exit.USAGE
    assert message in str(refusal.value)


def test_too_few_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="has no samples"):
        corpus.load(config(jsonl(tmp_path, "")))
    with pytest.raises(WorkloadError, match=r"training.batch_size must be at most 1, the number of training samples"):
        corpus.load(config(jsonl(tmp_path, {"text": "a"}, {"text": "b"})))
    with pytest.raises(WorkloadError, match=r"none\.jsonl cannot be read: No such file"):
        corpus.load(config(tmp_path / "none.jsonl"))


def test_only_the_completion_and_the_end_are_learned() -> None:
    samples = [Sample(prompt="ab", completion="cd", place="1"), Sample(prompt="", completion="efg", place="2")]
    tokens = tokenize(samples, byte_tokenizer(), limit=99)
    ids, labels = padded(tokens, CPU)
    a = byte_tokenizer()("abcdefg")["input_ids"]
    assert labels.tolist() == [[IGNORED, IGNORED, a[2], a[3], END], [a[4], a[5], a[6], END, IGNORED]]
    assert ids[0].tolist() == [*a[:4], END]


def test_long_samples_are_cut_but_never_lose_their_completion() -> None:
    sample = Sample(prompt="abc", completion="defgh", place="data.jsonl line 7")
    assert tokenize([sample], byte_tokenizer(), limit=5)[0].given == 3
    assert len(tokenize([sample], byte_tokenizer(), limit=5)[0].ids) == 5
    with pytest.raises(WorkloadError, match=r"data\.jsonl line 7: the prompt has 3 tokens.* data\.max_length is 3"):
        tokenize([sample], byte_tokenizer(), limit=3)
    with pytest.raises(WorkloadError, match=r"data.max_length must be at most 64, the model's context, got 65"):
        corpus.length_limit(config(Path("t"), max_length=65), 64)
    assert corpus.length_limit(config(Path("t")), 64) == 64


def batches(rank: int, world_size: int) -> TextBatches:
    samples = [Tokens(ids=(number, number), given=0) for number in range(10)]
    return TextBatches(samples=samples, size=4, seed=1, rank=rank, world_size=world_size, device=CPU)


def test_processes_share_each_batch_and_a_resume_gets_the_same_ones() -> None:
    alone = [ids[:, 0].tolist() for ids, _ in batches(0, 1).epoch(3)]
    shares = [[ids[:, 0].tolist() for ids, _ in batches(rank, 2).epoch(3)] for rank in (0, 1)]
    assert [first + second for first, second in zip(*shares, strict=True)] == alone
    assert [ids[:, 0].tolist() for ids, _ in batches(0, 1).epoch(3, first=1)] == alone[1:]
    assert alone != [ids[:, 0].tolist() for ids, _ in batches(0, 1).epoch(4)]
    assert len(alone) == batches(0, 1).per_epoch == 2

"""The configuration of a fine-tuning: environment variables, types, bounds and messages."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.language.config import Config, load

SMALLEST: dict[str, Any] = {"out_dir": "out", "model": {"init": {"model_type": "gpt2"}}, "data": {"train": "t.jsonl"}}


def written(folder: Path, content: dict[str, Any] | str) -> Path:
    path = folder / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def merged(section: str, values: dict[str, Any]) -> dict[str, Any]:
    return SMALLEST | ({section: SMALLEST.get(section, {}) | values} if section else values)


def test_the_smallest_configuration_is_enough(tmp_path: Path) -> None:
    config = load(written(tmp_path, SMALLEST))
    assert config == Config.model_validate(SMALLEST)
    assert (config.experiment, config.training.epochs, config.uri) == ("code-model", 3, None)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("", {"epochs": 3}, "epochs is not a key: allowed are experiment, run_name, out_dir, tracking_uri,"),
        ("training", {"epoch": 3}, "training.epoch is not a key: allowed are epochs, batch_size, learning_rate,"),
        ("model", {"lora": {"r": 3}}, "model.lora.r is not a key: allowed are rank, alpha, dropout, targets"),
        ("training", {"epochs": 0}, "training.epochs must be at least 1, got 0"),
        ("training", {"epochs": "3"}, "training.epochs must be a whole number, got '3'"),
        ("training", {"epochs": 3.0}, "training.epochs must be a whole number, got 3.0"),
        ("training", {"epochs": True}, "training.epochs must be a whole number, got True"),
        ("training", {"learning_rate": 0}, "training.learning_rate must be above 0, got 0"),
        ("training", {"learning_rate": float("nan")}, "training.learning_rate must be a finite number, got nan"),
        ("training", {"dtype": "int8"}, "training.dtype must be 'auto', 'fp32', 'bf16' or 'fp16', got 'int8'"),
        ("training", {"zero_stage": 4}, "training.zero_stage must be 0, 1, 2 or 3, got 4"),
        ("model", {"lora": {"dropout": 1}}, "model.lora.dropout must be below 1, got 1"),
        ("model", {"lora": 8}, "model.lora must be a mapping, got 8"),
        ("model", {"lora": {"targets": "q_proj"}}, "model.lora.targets must be a list, got 'q_proj'"),
        ("model", {"base": "org/name"}, "model must have either base or init"),
        ("model", {"init": None}, "model must have either base or init"),
        ("model", {"embed_base": False}, "model may have embed_base: false only with base and lora"),
        ("data", {"train": 7}, "data.train must be a path"),
        ("data", {"train": None}, "data.train must be a path"),
        ("data", {"validation_share": 0.6}, "data.validation_share must be at most 0.5, got 0.6"),
        ("", {"experiment": ""}, "experiment must be text that isn't empty, got ''"),
        ("", {"experiment": 7}, "experiment must be text, got 7"),
        (
            "",
            {"experiment": "a/b", "register_models": True, "tracking_uri": "http://h"},
            "names models, must be a name",
        ),
        ("", {"register_models": True}, "register_models needs MLflow: set tracking_uri or MLFLOW_TRACKING_URI"),
        ("", {"out_dir": __file__}, "out_dir must be a folder, or not exist yet"),
        ("", {"data": None}, "data must be a mapping, got None"),
    ],
)
def test_a_bad_value_is_named_by_its_path_with_what_is_allowed(
    tmp_path: Path, section: str, values: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, merged(section, values))
    with pytest.raises(WorkloadError) as refusal:
        load(path)
    assert refusal.value.code == Exit.USAGE
    assert str(refusal.value).startswith(f"{path}: ")
    assert message in str(refusal.value)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"model is required; data is required; training.seed must be at least 0"):
        load(written(tmp_path, {"out_dir": "out", "training": {"seed": -1}}))


def test_variables_are_expanded_to_the_type_of_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPOCHS", "5")
    monkeypatch.setenv("NUMBER", "123")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("FOLDER", "/data")
    content = """
experiment: ${NUMBER}
run_name: ${EMPTY:first}
out_dir: ${FOLDER}/out
tracking_uri: ${ADDRESS:file:./mlruns}
model: {init: {model_type: gpt2, n_layer: "${LAYERS:2}"}, lora: {rank: "${RANK:4}"}}
data: {train: "${FOLDER}/$${x}.jsonl"}
training: {epochs: "${EPOCHS}", learning_rate: "${RATE:1e-3}", weight_decay: 1e-4}
"""
    config = load(written(tmp_path, content))
    assert (config.experiment, config.run_name, config.out_dir) == ("123", "first", Path("/data/out"))
    assert config.tracking_uri == "file:./mlruns"
    assert config.model.init == {"model_type": "gpt2", "n_layer": 2}
    assert config.model.lora is not None
    assert config.model.lora.rank == 4
    assert config.data.train == Path("/data/${x}.jsonl")
    assert (config.training.epochs, config.training.learning_rate, config.training.weight_decay) == (5, 1e-3, 1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${NOPE}", "a needs the environment variable NOPE, which is not set and has no default"),
        ("a: [x, '${NOPE']", "a.1 must refer to a variable as ${NAME} or ${NAME:default}"),
        ("a: ${1}", "a must refer to a variable"),
        ("a: b: c", "is not YAML: line 1, column 5: mapping values are not allowed here"),
        ("a: 1\na: 2", "is not YAML: line 2, column 1: the key 'a' occurs twice"),
        ("!!python/object:os.system {}", "is not YAML: line 1, column 1: could not determine a constructor"),
        ("", "must be a mapping of keys, got an empty file"),
        ("- a", "must be a mapping of keys, got a list"),
        ("[" * 1500, "is not YAML"),
        ("a: \x07", "is not YAML"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        load(written(tmp_path, text))
    assert refusal.value.code == Exit.USAGE
    assert message in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"none\.yaml cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_credentials_of_the_address_are_not_logged() -> None:
    config = Config.model_validate(SMALLEST | {"tracking_uri": "http://user:secret@host"})
    assert "secret" not in str(config.as_dict())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=5), values, max_size=2),
    max_leaves=3,
)
KEYS = [(name,) for name in Config.model_fields] + [
    (section, key) for section in ("model", "data", "training", "examples") for key in ("x", "epochs", "lora", "init")
]


@settings(max_examples=60, deadline=None)
@given(key=st.sampled_from(KEYS), value=JSON)
def test_no_value_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, key: tuple[str, ...], value: Any) -> None:
    content = {**SMALLEST, key[0]: value} if len(key) == 1 else merged(key[0], {key[1]: value})
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    with contextlib.suppress(WorkloadError):
        load(path)

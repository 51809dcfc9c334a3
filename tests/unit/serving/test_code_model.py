"""The MLflow model directory of a language model: what it contains, and that it loads anywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from tests.support.code_models import TEXT, Saved
from tests.support.tracking_store import database
from workloads.serving.code_generation import PARAMETERS
from workloads.serving.code_model import CodeModel, log_code_model, save_code_model


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("model", ["trained", "adapter"])
def test_a_directory_has_code_as_text_and_weights_as_safetensors(request: pytest.FixtureRequest, model: str) -> None:
    folder = request.getfixturevalue(model).folder
    names = files(folder)
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".bin", ".pt", ".pth", ".joblib"))]
    assert [name for name in names if name.endswith(".py")] == ["code_generation.py"]
    assert any(name.endswith(".safetensors") for name in names)
    # A pickle starts with its protocol, and PyTorch's format is a zip file of pickles.
    assert not [
        name for name in names if (folder / name).read_bytes()[:2] in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK")
    ]
    assert "python_model:" not in (folder / "MLmodel").read_text()


def test_the_directory_describes_the_model(trained: Saved) -> None:
    described = Model.load(str(trained.folder))
    signature = described.signature
    assert signature is not None
    assert [column.name for column in signature.outputs.inputs] == [
        "prompt_index",
        "sequence",
        "text",
        "finish_reason",
        "tokens",
    ]
    assert [param.name for param in signature.params.params] == list(PARAMETERS)
    assert described.metadata is not None
    assert described.metadata["generation_parameters"]["top_p"] == "a number from 0.01 to 1.0"
    example: Any = described.load_input_example(str(trained.folder))
    assert trained.texts(example)
    requirements = (trained.folder / "requirements.txt").read_text().splitlines()
    assert {line.partition("==")[0] for line in requirements} >= {"mlflow", "torch", "transformers", "peft"}
    assert all("==" in line and "+" not in line for line in requirements)


def test_an_adapter_loads_without_its_sources_this_repository_and_a_network(adapter: Saved, tmp_path: Path) -> None:
    shutil.copytree(adapter.folder, tmp_path / "model")
    script = (
        "import importlib.util, json, mlflow\n"
        "assert importlib.util.find_spec('workloads') is None\n"
        "model = mlflow.pyfunc.load_model('model')\n"
        "print(json.dumps(model.predict({'prompt': ['def add(a, b):\\n']}).to_dict('records')))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == adapter.model.predict(TEXT[:15]).to_dict("records")


def test_a_logged_model_is_registered_and_loads_by_its_name(
    trained: Saved, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # No process may be started to find the requirements.
    mlflow.set_tracking_uri(database())
    experiment = mlflow.create_experiment("code", artifact_location=tmp_path.as_uri())
    with mlflow.start_run(experiment_id=experiment):
        info = log_code_model(CodeModel(weights=folder / "whole-weights"), registered_model_name="code")
    assert info.registered_model_version == 1
    loaded = pyfunc.load_model("models:/code/1")
    assert loaded.predict(TEXT[:15])["text"].tolist() == trained.texts(TEXT[:15])


def test_a_base_may_be_a_reference(adapter: Saved, folder: Path, tmp_path: Path) -> None:
    reference = CodeModel(weights=folder / "adapter-weights", base_name=str(folder / "whole-weights"))
    small = Saved(tmp_path / "model", reference)
    assert small.texts(TEXT[:15]) == adapter.texts(TEXT[:15])
    assert not [name for name in files(small.folder) if name.endswith("model.safetensors") and "adapter" not in name]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_own.py", "sub/optimizer.pt", "MODEL.PKL"])
def test_files_that_may_hold_code_are_refused_when_saved_and_when_loaded(
    trained: Saved, folder: Path, tmp_path: Path, name: str
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(folder / "whole-weights", weights)
    (weights / name).parent.mkdir(exist_ok=True)
    (weights / name).touch()
    with pytest.raises(MlflowException, match=f"contains {name}, which may hold code"):
        CodeModel(weights=weights)
    model = tmp_path / "model"
    shutil.copytree(trained.folder, model)
    shutil.rmtree(model / "artifacts" / "whole-weights")
    weights.rename(model / "artifacts" / "whole-weights")
    with pytest.raises(MlflowException, match=f"contains {name}, which may hold code"):
        pyfunc.load_model(str(model))


def test_parts_that_do_not_fit_are_refused(adapter: Saved, folder: Path, tmp_path: Path) -> None:
    whole, lora = folder / "whole-weights", folder / "adapter-weights"
    (tmp_path / "empty").mkdir()
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"weights": lora}, "it needs either base or base_name, got 0 of them"),
        ({"weights": lora, "base": whole, "base_name": "org/name"}, "got 2 of them"),
        ({"weights": whole, "base": whole}, "is a whole model, without adapter_config.json"),
        ({"weights": tmp_path / "none"}, "must be a folder that save_pretrained wrote; it doesn't exist"),
        ({"weights": tmp_path / "empty"}, "contains no safetensors file"),
        ({"weights": whole, "device": "tpu"}, "device must be auto, cpu, cuda, got 'tpu'"),
        ({"weights": whole, "dtype": "int8"}, "dtype must be auto, float32, bfloat16, float16, got 'int8'"),
    )
    for parts, message in refused:
        with pytest.raises(MlflowException) as refusal:
            CodeModel(**parts)
        assert message in refusal.value.message


def test_device_and_dtype_are_chosen_at_load(trained: Saved) -> None:
    model: Any = pyfunc.load_model(str(trained.folder), model_config={"device": "cpu", "dtype": "bfloat16"})
    assert model.predict(TEXT[:15])["text"].tolist() == trained.texts(TEXT[:15])
    for config, message in (({"device": "gpu"}, "device must be"), ({"dtype": "half"}, "dtype must be")):
        with pytest.raises(MlflowException, match=message):
            pyfunc.load_model(str(trained.folder), model_config=config)


def test_settings_that_came_with_the_weights_have_no_effect(trained: Saved, folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(folder / "whole-weights", weights)
    generation = {
        "do_sample": True,
        "temperature": 5.0,
        "repetition_penalty": 3.0,
        "max_new_tokens": 2,
        "eos_token_id": 0,
    }
    (weights / "generation_config.json").write_text(json.dumps(generation))
    assert Saved(tmp_path / "model", CodeModel(weights=weights)).texts(TEXT[:15]) == trained.texts(TEXT[:15])


def test_an_existing_directory_is_not_overwritten(trained: Saved, folder: Path) -> None:
    with pytest.raises(MlflowException, match="already exists"):
        save_code_model(trained.folder, CodeModel(weights=folder / "whole-weights"))

"""Conversions into a directory: the models answer as PyTorch does, or nothing is written."""

import json
import shutil
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pytest
import torch
from mlflow.models import get_model_info, infer_signature
from onnx import numpy_helper
from torch import Tensor, nn

from contracts import Exit
from tests.unit.conversion.conftest import save
from workloads.cli import WorkloadError
from workloads.conversion import candidates, export
from workloads.conversion.conversion import Converted, Destination, convert
from workloads.conversion.network import Network
from workloads.conversion.request import DEFAULT_LIMITS, Limits, NotEqualError, Precision, Request
from workloads.mlflow_client import Tracking
from workloads.serving.watching.baseline import BASELINE_FILE, Baseline

STRICT = Limits(max_difference=0.0, min_agreement=1.0, max_loss=None)


def limits(precision: Precision, limit: Limits) -> dict[Precision, Limits]:
    return {**DEFAULT_LIMITS, precision: limit}


def answers(folder: Path, inputs: np.ndarray) -> np.ndarray:
    return mlflow.pyfunc.load_model(str(folder)).predict(inputs)["output"]


def expected(net: nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(inputs)).numpy()


@pytest.mark.parametrize("batch", [1, 7, 300])
def test_the_served_model_equals_pytorch_for_batches_of_any_size(
    converted: tuple[Converted, Path], trained: nn.Module, pictures: np.ndarray, batch: int
) -> None:
    answered = answers(converted[1] / "fp32", pictures[:batch])
    np.testing.assert_allclose(answered, expected(trained, pictures[:batch]), atol=1e-5)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_smaller_model_is_served_with_the_same_inputs(
    converted: tuple[Converted, Path], trained: nn.Module, pictures: np.ndarray, precision: str
) -> None:
    answered = answers(converted[1] / precision, pictures)
    assert answered.dtype == np.float32
    assert (answered.argmax(1) == expected(trained, pictures).argmax(1)).mean() >= 0.97


def test_the_report_has_the_figures_of_each_model(converted: tuple[Converted, Path], pictures: np.ndarray) -> None:
    report = converted[0].report
    assert (report.samples["name"], report.samples["count"]) == ("digits validation", len(pictures))
    assert report.pytorch["accuracy"] > 0.9
    assert set(report.models) == {"fp32", "fp16", "int8"}
    for precision, figures in report.models.items():
        comparison = figures.comparison
        assert comparison.batch_sizes == (1, 7, 256)
        assert comparison.pytorch_accuracy == report.pytorch["accuracy"]
        assert comparison.accuracy == pytest.approx(report.pytorch["accuracy"], abs=0.02)
        assert figures.size_bytes == (converted[1] / precision / "model.onnx").stat().st_size
        assert set(figures.latency_ms) == {"1", "64"} == set(report.pytorch["latency_ms"])
    assert 0 < report.models["fp32"].comparison.max_difference < 1e-5
    assert report.models["int8"].size_bytes < report.models["fp32"].size_bytes
    assert json.loads((converted[1] / "report.json").read_text())["key"] == report.key


def test_the_model_has_signature_example_and_origin(converted: tuple[Converted, Path]) -> None:
    info = get_model_info(str(converted[1] / "int8"))
    assert info.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
    assert info.signature.outputs.inputs[0].shape == (-1, 10)
    assert info.saved_input_example_info
    assert info.metadata
    assert info.metadata["converted_from"]["content_sha256"] == converted[0].report.source.content_sha256


def test_int8_quantizes_the_convolutions(converted: tuple[Converted, Path]) -> None:
    model = onnx.load(str(converted[1] / "int8" / "model.onnx"))
    weights = [
        entry for entry in model.graph.initializer if entry.data_type == onnx.TensorProto.INT8 and len(entry.dims) == 4
    ]
    assert len(weights) == 4
    onnx.checker.check_model(model, full_check=True)


def test_the_same_conversion_again_keeps_the_folder(converted: tuple[Converted, Path], model_dir: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in converted[1].rglob("*")}
    request = Request(source=str(model_dir), precisions=("fp32", "fp16", "int8"))
    again = convert(request, Destination(out=converted[1]))
    assert again.reused
    assert again.report == converted[0].report
    assert {path: path.stat().st_mtime_ns for path in converted[1].rglob("*")} == before


@pytest.mark.parametrize("what", ["other options", "a changed model", "a file"])
def test_a_folder_with_other_content_is_refused(
    converted: tuple[Converted, Path], model_dir: Path, tmp_path: Path, what: str
) -> None:
    out = tmp_path / "out"
    request = Request(source=str(model_dir), precisions=("fp32", "fp16", "int8"))
    if what == "a file":
        out.touch()
    else:
        shutil.copytree(converted[1], out)
    if what == "other options":
        request = Request(source=str(model_dir), opset=19)
    elif what == "a changed model":
        with (out / "int8" / "model.onnx").open("ab") as file:
            file.write(b"\0")
    with pytest.raises(WorkloadError, match="must be a new or empty directory, or have the same conversion") as error:
        convert(request, Destination(out=out))
    assert error.value.code == Exit.USAGE


def tampered(path: Path) -> None:
    """Change one weight of the last layer."""
    model = onnx.load(str(path))
    weight = max(model.graph.initializer, key=lambda entry: entry.name.startswith("classify"))
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += 1.0
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(path))


def test_a_tampered_weight_is_found_and_nothing_is_written(
    converted: tuple[Converted, Path], model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_and_tamper(_network: Network, _inputs: np.ndarray, path: Path, _opset: int) -> None:
        shutil.copy(converted[1] / "fp32" / "model.onnx", path)
        tampered(path)

    monkeypatch.setattr(candidates, "export", export_and_tamper)
    (tmp_path / "work").mkdir()
    destination = Destination(out=tmp_path / "out", work_dir=tmp_path / "work")
    with pytest.raises(NotEqualError, match=r"The fp32 model differs from PyTorch by .*, allowed is 0\.0001"):
        convert(Request(source=str(model_dir)), destination)
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / "work"] == []


@pytest.mark.parametrize(
    ("precision", "limit", "words"),
    [
        ("fp32", STRICT, "fp32 model differs from PyTorch"),
        ("fp16", STRICT, "fp16 model differs from PyTorch"),
        ("int8", Limits(max_difference=1e-3, min_agreement=0, max_loss=None), r"int8 model .* allowed is 0\.001"),
    ],
)
def test_each_precision_has_its_own_limits(
    exported_before: None, model_dir: Path, tmp_path: Path, precision: Precision, limit: Limits, words: str
) -> None:
    chosen: tuple[Precision, ...] = ("fp32",) if precision == "fp32" else ("fp32", precision)
    request = Request(source=str(model_dir), precisions=chosen, limits=limits(precision, limit))
    with pytest.raises(NotEqualError, match=words):
        convert(request, Destination(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_graph_exported_for_single_samples_takes_any_batch(
    trained: nn.Module, pictures: np.ndarray, tmp_path: Path
) -> None:
    folder = save(trained, tmp_path / "model", pictures[:1])
    done = convert(Request(source=str(folder), max_samples=20), Destination(out=tmp_path / "out"))
    assert done.report.pytorch["fixed_batch"] == 1
    np.testing.assert_allclose(
        answers(tmp_path / "out" / "fp32", pictures[:9]), expected(trained, pictures[:9]), atol=1e-5
    )


def test_a_pickled_module_is_converted_only_if_allowed(pickled_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="can run any code; --allow-pickle permits it"):
        convert(Request(source=str(pickled_dir)), Destination(out=tmp_path / "out"))
    request = Request(source=str(pickled_dir), allow_pickle=True, max_samples=20, opset=17)
    assert convert(request, Destination(out=tmp_path / "out")).report.opset == 17
    model = onnx.load(str(tmp_path / "out" / "fp32" / "model.onnx"))
    assert [entry.version for entry in model.opset_import] == [17]


def test_a_large_model_has_its_weights_in_a_second_file(
    model_dir: Path, trained: nn.Module, pictures: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LARGEST_FILE", 1000)
    out = tmp_path / "out"
    with pytest.raises(WorkloadError, match=r"fp16 and int8 take models up to 2 GB"):
        convert(Request(source=str(model_dir), precisions=("fp32", "int8")), Destination(out=out))
    convert(Request(source=str(model_dir), max_samples=20), Destination(out=out))
    weights = (out / "fp32" / "model.onnx.data").stat().st_size
    assert weights > (out / "fp32" / "model.onnx").stat().st_size
    np.testing.assert_allclose(answers(out / "fp32", pictures[:9]), expected(trained, pictures[:9]), atol=1e-5)


class Unsupported(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return torch.special.bessel_j0(pixels).flatten(1)


class FixedBatch(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.reshape(4, 64)


class OneRow(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.sum(0).flatten()


class TwoOutputs(nn.Module):
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels.flatten(1), pixels.flatten(1)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Unsupported(), r"The model uses prims\.bessel_j0, which ONNX does not support"),
        (FixedBatch(), r"The PyTorch model fails on samples of shape \(1, 1, 8, 8\): shape '\[4, 64\]' is invalid"),
        (OneRow(), r"returns a tensor of shape \(64,\) for 1 samples: its first dimension must be the batch"),
        (TwoOutputs(), "returns a tuple; only a model that returns one tensor can be converted"),
    ],
)
def test_a_network_that_can_not_be_converted_is_named(
    net: nn.Module, words: str, pictures: np.ndarray, tmp_path: Path
) -> None:
    signature = infer_signature(pictures, pictures)
    folder = save(net, tmp_path / "model", pictures[:4], serialization_format="pickle", signature=signature)
    with pytest.raises((WorkloadError, NotEqualError), match=words) as error:
        convert(Request(source=str(folder), allow_pickle=True), Destination(out=tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_dead_tracking_server_keeps_nothing(exported_before: None, model_dir: Path, tmp_path: Path) -> None:
    dead = Tracking("http://127.0.0.1:1")
    with pytest.raises(WorkloadError) as error:
        convert(Request(source=str(model_dir)), Destination(out=tmp_path / "out", tracking=dead))
    assert error.value.code == Exit.MLFLOW
    assert list(tmp_path.iterdir()) == []


def test_the_model_does_not_show_the_machine_that_converted_it(converted: tuple[Converted, Path]) -> None:
    content = (converted[1] / "fp32" / "model.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in content
    assert b"site-packages" not in content


def test_the_baseline_of_the_source_is_kept(
    model_dir: Path, pictures: np.ndarray, exported_before: None, tmp_path: Path
) -> None:
    source = shutil.copytree(model_dir, tmp_path / "source")
    baseline = Baseline.of(pictures)
    baseline.write(source / BASELINE_FILE)
    convert(Request(source=str(source)), Destination(out=tmp_path / "onnx"))
    assert Baseline.read(tmp_path / "onnx" / "fp32" / BASELINE_FILE) == baseline

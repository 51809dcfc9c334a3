"""CIFAR-10 from the user's files: both layouts, and a clear error for each kind of invalid file."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.data import cifar10
from workloads.training.data.cifar10_batches import FILES, TEST_FILE

PER_FILE = 4


def write_batches(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(FILES):
        data = np.full((PER_FILE, 3072), number, dtype=np.uint8)
        data[:, 0] = 200
        batch = {b"data": data, b"labels": [number % 10] * PER_FILE, b"batch_label": b"test"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def write_array_file(path: Path, **changes: np.ndarray) -> Path:
    pictures = [Image.new("RGB", (32, 32), (colour, 10, 250)) for colour in (0, 120, 240)]
    encoded = [_jpeg(picture) for picture in pictures]
    split = encoded[0].index(b"\xff\xda")
    scans = [data[split:] for data in encoded]
    arrays = {
        "header": np.frombuffer(encoded[0][:split], dtype=np.uint8),
        "scans": np.frombuffer(b"".join(scans), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, scans)]).astype(np.uint32),
        "labels": np.array([3, 1, 2], dtype=np.uint8),
        "is_train": np.array([True, True, False]),
    }
    content: dict[str, Any] = arrays | changes
    np.savez(path, **content)
    return path


def _jpeg(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, format="JPEG", quality=90)
    return target.getvalue()


@pytest.mark.parametrize("source", ["the folder of the batches", "the folder above"])
def test_the_usual_python_batches_are_read(tmp_path: Path, source: str) -> None:
    folder = write_batches(tmp_path / "cifar-10-batches-py")
    train, test, names = cifar10.load(folder if source == "the folder of the batches" else tmp_path)
    assert train.pictures.shape == (5 * PER_FILE, 3, 32, 32)
    assert train.labels.tolist() == [number for number in range(5) for _ in range(PER_FILE)]
    assert test.labels.tolist() == [5] * PER_FILE
    assert train.pictures[0, 0, 0, 0] == 200
    assert train.pictures[-1, 2, 31, 31] == 4
    assert names[5] == "dog"


@pytest.mark.parametrize("source", ["the file", "its folder"])
def test_the_array_file_is_read(tmp_path: Path, source: str) -> None:
    path = write_array_file(tmp_path / "cifar10-jpeg.npz")
    train, test, _ = cifar10.load(path if source == "the file" else tmp_path)
    assert train.labels.tolist() == [3, 1]
    assert test.labels.tolist() == [2]
    red, green, blue = test.pictures[0, :, 16, 16].tolist()
    assert abs(red - 240) < 8
    assert abs(green - 10) < 8
    assert abs(blue - 250) < 8


def refusal_of(source: Path) -> str:
    with pytest.raises(WorkloadError) as refusal:
        cifar10.load(source)
    assert refusal.value.code == Exit.USAGE
    return str(refusal.value)


def test_a_folder_without_data_is_refused_with_the_expected_files(tmp_path: Path) -> None:
    message = refusal_of(tmp_path)
    assert all(word in message for word in (str(tmp_path), "data_batch_1", "cifar-10-batches-py", "cifar10-jpeg.npz"))


def test_a_missing_folder_is_distinguished_from_an_empty_one(tmp_path: Path) -> None:
    assert "does not exist" in refusal_of(tmp_path / "nowhere")


def test_missing_batches_are_named(tmp_path: Path) -> None:
    write_batches(tmp_path)
    (tmp_path / "data_batch_3").unlink()
    (tmp_path / TEST_FILE).unlink()
    assert "has no data_batch_3, test_batch" in refusal_of(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ends too early|Ran out of input"),
        (b"not a pickle", "not a CIFAR-10 batch"),
        (pickle.dumps([1, 2], protocol=2), "it contains a list, not a dictionary"),
        (pickle.dumps({b"labels": [1]}, protocol=2), "it has no b'data'"),
        (
            pickle.dumps({b"data": np.zeros((2, 3072), "uint8"), b"labels": [1, 10]}, protocol=2),
            "labels outside 0 to 9",
        ),
        (pickle.dumps({b"data": np.zeros((2, 3072), "uint8"), b"labels": [1]}, protocol=2), "and 1 labels"),
        (pickle.dumps({b"data": np.zeros((2, 3071), "uint8"), b"labels": [1, 2]}, protocol=2), "reshape"),
        (pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [1, 2]}, protocol=2), "float64"),
    ],
)
def test_a_corrupt_batch_is_named_with_its_fault(tmp_path: Path, content: bytes, words: str) -> None:
    write_batches(tmp_path)
    (tmp_path / "data_batch_2").write_bytes(content)
    message = refusal_of(tmp_path)
    assert "data_batch_2" in message
    assert any(word in message for word in words.split("|"))


def test_a_batch_that_would_run_code_is_refused_without_running_it(tmp_path: Path) -> None:
    write_batches(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "ran") + b"'\ntR.")
    assert "os.system" in refusal_of(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_array_file_is_refused(tmp_path: Path) -> None:
    path = write_array_file(tmp_path / "cifar10-jpeg.npz")
    path.write_bytes(path.read_bytes()[:-400])
    assert "is not an array file of CIFAR-10 pictures" in refusal_of(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": np.array([3, 1, 10], dtype=np.uint8)}, "labels outside 0 to 9"),
        ({"labels": np.array([3, 1], dtype=np.uint8)}, "2 labels"),
        ({"offsets": np.array([0, 5, 5, 9], dtype=np.uint32)}, "offsets don't match the pictures"),
        ({"header": np.zeros(8, dtype=np.uint8)}, "cannot identify"),
        ({"is_train": np.array([True, True, True])}, "training and test"),
    ],
)
def test_an_array_file_with_wrong_content_is_refused(
    tmp_path: Path, changes: dict[str, np.ndarray], words: str
) -> None:
    assert words in refusal_of(write_array_file(tmp_path / "pictures.npz", **changes))


def test_an_array_file_without_its_arrays_is_refused_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "cifar10-jpeg.npz"
    np.savez(path, labels=np.zeros(3))
    assert "header, scans, offsets, labels, is_train" in refusal_of(path)

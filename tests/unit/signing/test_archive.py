import gzip
import hashlib
import io
import os
import socket
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.cli import WorkloadError
from workloads.signing.archive import Packed, write_archive

_NAMES = st.text(
    alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)
_CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda seed, size: (seed * (size // len(seed) + 1))[:size],
        st.binary(min_size=1, max_size=9),
        st.integers(0, 200_000),
    ),
    st.builds(os.urandom, st.sampled_from([65535, 65536, 70_000, 200_000])),
)
# The first letter distinguishes files from folders.
_TREES = st.dictionaries(
    st.tuples(st.lists(_NAMES.map("d".__add__), max_size=2), _NAMES.map("f".__add__)).map(
        lambda p: "/".join([*p[0], p[1]])
    ),
    _CONTENTS,
    min_size=1,
    max_size=6,
)


def pack(model_dir: Path, out: Path) -> tuple[Packed, bytes]:
    with out.open("w+b", buffering=0) as stream:
        packed = write_archive(model_dir, stream)
    return packed, out.read_bytes()


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@settings(max_examples=25, deadline=None)
@given(files=_TREES)
def test_only_names_and_contents_decide_the_bytes_of_an_archive(files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as temporary:
        first, second = Path(temporary, "a"), Path(temporary, "b")
        write(first, files)
        write(second, dict(reversed(files.items())))
        for name in files:
            (second / name).chmod(0o700)
            os.utime(second / name, (1, 1))
        packed, content = pack(first, Path(temporary, "a.tar.gz"))
        assert pack(second, Path(temporary, "b.tar.gz")) == (packed, content)


@settings(max_examples=25, deadline=None)
@given(files=_TREES)
def test_standard_tools_read_back_what_was_packaged(files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as temporary:
        write(Path(temporary, "a"), files)
        packed, content = pack(Path(temporary, "a"), Path(temporary, "a.tar.gz"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as tar:
        found = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
        fixed = {(member.mode, member.uid, member.gid, member.uname, member.gname, member.mtime) for member in tar}
    assert found == files
    assert fixed == {(0o644, 0, 0, "", "", 0)}
    assert packed.sha256 == hashlib.sha256(content).hexdigest()
    assert packed.size == len(content)
    assert {file.path: file.sha256 for file in packed.files} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }


def test_text_is_compressed_and_weights_are_stored(tmp_path: Path) -> None:
    write(tmp_path / "text", {"vocabulary.json": b'{"token": 1234}\n' * 100_000})
    write(tmp_path / "weights", {"weights.bin": os.urandom(3_000_000)})
    text, _ = pack(tmp_path / "text", tmp_path / "text.tar.gz")
    weights, _ = pack(tmp_path / "weights", tmp_path / "weights.tar.gz")
    assert text.size < 1_600_000 / 10
    assert 3_000_000 < weights.size < 3_000_000 * 1.001


def test_files_after_stored_weights_survive(tmp_path: Path) -> None:
    files = {f"{index}.bin": os.urandom(200_000) for index in range(3)} | {
        f"{index}.txt": b"same words " * 9000 for index in range(3)
    }
    write(tmp_path / "m", files)
    _, content = pack(tmp_path / "m", tmp_path / "m.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar} == files


def test_names_of_any_length_and_script_are_kept(tmp_path: Path) -> None:
    name = "ш" * 100 + "/" + "long" * 60 + ".bin"
    write(tmp_path / "m", {name: b"x"})
    _, content = pack(tmp_path / "m", tmp_path / "m.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames() == [name]


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_folder_link(path: Path) -> None:
    path.symlink_to(path.parent, target_is_directory=True)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_link, "a symbolic link"),
        (make_folder_link, "a symbolic link"),
        (os.mkfifo, "a named pipe"),
        (make_socket, "a socket"),
    ],
)
def test_a_special_file_is_refused_with_its_kind(tmp_path: Path, make, kind: str) -> None:  # noqa: ANN001
    write(tmp_path / "m", {"sub/weights.bin": b"x"})
    make(tmp_path / "m" / "sub" / "odd")
    with pytest.raises(WorkloadError, match=f"sub/odd is {kind}"):
        pack(tmp_path / "m", tmp_path / "m.tar.gz")


@pytest.mark.parametrize("name", [b"bad\xff", b"line\nbreak"])
def test_a_name_that_is_no_plain_text_is_refused(tmp_path: Path, name: bytes) -> None:
    directory = tmp_path / "m"
    directory.mkdir()
    Path(os.fsdecode(bytes(directory) + b"/" + name)).touch()
    with pytest.raises(WorkloadError, match="UTF-8 text without control characters"):
        pack(directory, tmp_path / "m.tar.gz")


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m" / "sub").mkdir(parents=True)
    with pytest.raises(WorkloadError, match="holds no file"):
        pack(tmp_path / "m", tmp_path / "m.tar.gz")


def append(directory: Path) -> None:
    with (directory / "a.bin").open("ab") as stream:
        stream.write(b"more")


def truncate(directory: Path) -> None:
    os.truncate(directory / "b.bin", 10)


def overwrite(directory: Path) -> None:
    with (directory / "a.bin").open("r+b") as stream:
        stream.write(b"other")


def replace(directory: Path) -> None:
    (directory / "new").write_bytes((directory / "b.bin").read_bytes())
    (directory / "new").replace(directory / "b.bin")


def add(directory: Path) -> None:
    (directory / "0-new.bin").write_bytes(b"new")


def remove(directory: Path) -> None:
    (directory / "a.bin").unlink()


@pytest.mark.parametrize("change", [append, truncate, overwrite, replace, add, remove])
def test_a_directory_that_changes_while_it_is_packaged_is_refused(tmp_path: Path, change) -> None:  # noqa: ANN001
    directory = tmp_path / "m"
    write(directory, {"a.bin": os.urandom(3_000_000), "b.bin": os.urandom(100_000)})
    calls: list[int] = []

    def progress(done: int, total: int) -> None:
        if not calls:
            change(directory)
        calls.append(done)

    with (
        (tmp_path / "m.tar.gz").open("w+b", buffering=0) as stream,
        pytest.raises(WorkloadError, match="changed while it was packaged"),
    ):
        write_archive(directory, stream, progress)


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    write(tmp_path / "m", {"a": os.urandom(2_500_000), "b": b"x" * 10})
    seen: list[tuple[int, int]] = []
    with (tmp_path / "m.tar.gz").open("w+b", buffering=0) as stream:
        write_archive(tmp_path / "m", stream, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2_500_010, 2_500_010)
    assert seen == sorted(seen)

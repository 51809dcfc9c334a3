"""An image's reference depends on its inputs and on nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local import paths
from local.images import inputs
from local.images.catalogue import Image

IMAGE = Image(name="demo", folder="demo", base="base", about_seconds=1)
BASE = "localhost/aegis/base:1"

CONTAINERFILE = """\
# What the demo is.
ARG BASE=localhost/aegis/base
FROM ${BASE}
RUN --mount=type=bind,from=uv,source=.,target=/opt/uv \\
    --mount=type=bind,source=requirements.txt,target=/r.txt \\
    --mount=type=bind,source=workloads/images/demo/requirements.in,target=/r.in \\
    install
COPY --from=bin --chmod=755 server /usr/bin/
COPY code/*.py code/package /app/
"""
LOCK = """\
alpha==1.0
    # via -r requirements.in
beta==2.0
    # via
    #   alpha
    #   gamma
gamma==3.0
    # via -r requirements.in
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    files = {
        "workloads/images/demo/Containerfile": CONTAINERFILE,
        "workloads/images/demo/requirements.in": "# direct\nAlpha[extra]\n",
        "requirements.txt": LOCK,
        "code/main.py": "main",
        "code/package/inner.py": "inner",
        "code/package/__pycache__/inner.pyc": "compiled",
        "code/other/unread.py": "unread",
        "bin/server": "program",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def reference(repository: Path) -> Callable[[], str]:
    return lambda: inputs.reference(IMAGE, BASE, {"server": repository / "bin" / "server"})


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_reference_names_the_image_and_stays_the_same(reference: Callable[[], str]) -> None:
    assert reference().startswith("localhost/aegis/demo:")
    assert reference() == reference()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("code/main.py", "main", "other"),
        ("code/package/inner.py", "inner", "other"),
        ("bin/server", "program", "newer program"),
        ("workloads/images/demo/Containerfile", "install", "install --more"),
        ("workloads/images/demo/requirements.in", "Alpha", "gamma"),
        ("requirements.txt", "alpha==1.0", "alpha==1.1"),
        ("requirements.txt", "beta==2.0", "beta==2.1"),
    ],
)
def test_a_changed_input_changes_the_reference(
    repository: Path, reference: Callable[[], str], name: str, old: str, new: str
) -> None:
    before = reference()
    edit(repository / name, old, new)
    assert reference() != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("code/other/unread.py", "unread", "changed"),
        ("code/package/__pycache__/inner.pyc", "compiled", "again"),
        ("workloads/images/demo/Containerfile", "# What the demo is.", "# Another comment."),
        ("requirements.txt", "gamma==3.0", "gamma==3.1"),
    ],
)
def test_a_change_outside_the_image_keeps_the_reference(
    repository: Path, reference: Callable[[], str], name: str, old: str, new: str
) -> None:
    before = reference()
    edit(repository / name, old, new)
    assert reference() == before


def test_an_executable_bit_changes_the_reference(repository: Path, reference: Callable[[], str]) -> None:
    before = reference()
    (repository / "code/main.py").chmod(0o755)
    assert reference() != before


def test_a_renamed_file_and_a_new_file_change_the_reference(repository: Path, reference: Callable[[], str]) -> None:
    first = reference()
    (repository / "code/main.py").rename(repository / "code/start.py")
    second = reference()
    (repository / "code/extra.py").write_text("")
    assert len({first, second, reference()}) == 3


def test_a_new_base_or_build_argument_changes_the_reference(repository: Path) -> None:
    programs = {"server": repository / "bin" / "server"}
    with_argument = Image(name="demo", folder="demo", base="base", about_seconds=1, args={"ACCELERATOR": "cpu"})
    references = {
        inputs.reference(IMAGE, BASE, programs),
        inputs.reference(IMAGE, "localhost/aegis/base:2", programs),
        inputs.reference(with_argument, BASE, programs),
    }
    assert len(references) == 3

"""The files that the README and the guides name: they are there."""

import re
from pathlib import Path

import pytest

from tests.support import documents
from tests.support.documents import ROOT

FOLDERS = "aegis|benchmarks|docs|infra|laptop|local|policy|review|stacks|tests|workloads"
# A file or folder of the repository in a code span, such as `review/data.py`.
FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
# [text](target), and the part of a heading after #.
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]*)(?:#(?P<heading>[^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def headings(document: Path) -> set[str]:
    """Return the headings as GitHub writes them in an address."""
    titles = HEADING.findall(document.read_text())
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def there(folder: Path, name: str) -> bool:
    """Tell whether the folder has that file; STACK and its like stand for any name."""
    return any(folder.glob(re.sub(r"\b[A-Z]{3,}\b", "*", name)))


@pytest.mark.parametrize("document", documents.documents(), ids=lambda document: str(document.relative_to(ROOT)))
def test_each_file_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    lost = [name for name in FILE.findall(text) if not any(there(folder, name) for folder in (ROOT, document.parent))]
    for link in LINK.finditer(text):
        target = (document.parent / link["file"]) if link["file"] else document
        if not target.exists() or (link["heading"] and link["heading"] not in headings(target)):
            lost.append(link[0])
    assert lost == []

"""The server, pg_dump and the stand-in for RDS have the same version of PostgreSQL."""

import re
from pathlib import Path

import pytest
import yaml

import contracts
from tests.program.conftest import stack_graph
from tests.support.engine import ROOT, STACK_FILES

MAJOR = str(contracts.POSTGRES_MAJOR)
IMAGES = ROOT / "workloads" / "images"
TEXTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *IMAGES.glob("*.md"), *IMAGES.glob("*/*")])
# A version of PostgreSQL in a text or in a package name, such as `PostgreSQL 15` and `postgresql-client-15`.
NAMED = re.compile(r"(?:postgres(?:ql)?(?:-client)?(?: |-|/)|pg_dump )(\d+)\b", re.IGNORECASE)
AWS_STACKS = [path for path in STACK_FILES if "kind: rds" in path.read_text()]


def versions(text: str) -> set[str]:
    return set(NAMED.findall(text))


@pytest.mark.parametrize(("image", "package"), [("postgres", "postgresql"), ("workloads-deps", "postgresql-client")])
def test_the_image_installs_the_version(image: str, package: str) -> None:
    text = (IMAGES / image / "Containerfile").read_text()
    assert f" {package}-{MAJOR} " in text
    assert versions(text) == {MAJOR}


@pytest.mark.parametrize("path", AWS_STACKS, ids=lambda path: path.name.split(".")[1])
def test_rds_has_the_version_and_its_parameters(path: Path) -> None:
    graph = stack_graph(path)
    assert graph.one("Instance").inputs["engineVersion"].partition(".")[0] == MAJOR
    assert graph.one("ParameterGroup").inputs["family"] == f"postgres{MAJOR}"


def test_the_emulated_rds_is_the_image_of_the_server_in_the_cluster() -> None:
    # The placeholder of the image that `make up` builds from that Containerfile; a public image would have a name.
    objects = yaml.safe_load_all((ROOT / "local" / "aws" / "manifests" / "rds.yaml").read_text())
    server = next(each for each in objects if each["kind"] == "StatefulSet")
    images = [container["image"] for container in server["spec"]["template"]["spec"]["containers"]]
    assert images == ["$image"]


def test_no_document_and_no_image_names_another_version() -> None:
    named = {path: versions(path.read_text()) for path in TEXTS if path.is_file()}
    assert {str(path) for path, found in named.items() if found - {MAJOR}} == set()

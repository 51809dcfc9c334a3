"""The PostgreSQL image's entry point, with stand-ins for PostgreSQL's programs that record their calls."""

import os
import subprocess
from pathlib import Path

import pytest

from local import paths

SCRIPT = paths.REPOSITORY / "workloads" / "images" / "postgres" / "aegis-postgres"
PASSWORD = "it's a secret"

INITDB = """#!/bin/bash
echo "initdb $*" >> "$CALLS"
for argument; do case $argument in --pgdata=*) folder=${argument#*=} ;; esac; done
mkdir -p "$folder" && echo 15 > "$folder/PG_VERSION"
"""
POSTGRES = """#!/bin/bash
echo "postgres $*" >> "$CALLS"
[ "$1" = --single ] && cat >> "$SQL"
echo "${POSTGRES_PASSWORD-unset}" > "$ENVIRONMENT"
"""


class Container:
    """A folder and environment in which to run the entry point."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "volume" / "pgdata"
        self.data.parent.mkdir()
        for name, text in {"initdb": INITDB, "postgres": POSTGRES}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "PGDATA": str(self.data),
            "POSTGRES_USER": "mlflow",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": "tracking",
            **{name.upper(): str(self.folder / name) for name in ("calls", "sql", "environment")},
        }
        return subprocess.run(
            [SCRIPT, *arguments], env=settings | environment, capture_output=True, text=True, check=False
        )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_an_empty_volume_is_initialised_with_the_database_before_serving(container: Container) -> None:
    started = container.start("-c", "max_connections=200")
    assert started.returncode == 0, started.stderr
    calls = container.read("calls").splitlines()
    assert "--data-checksums" in calls[0]
    assert 'CREATE DATABASE "tracking";' in container.read("sql")
    assert calls[-1].endswith("-c max_connections=200")
    assert (container.data / "PG_VERSION").exists()


def test_every_login_requires_a_password(container: Container) -> None:
    container.start()
    rules = (container.data / "pg_hba.conf").read_text().splitlines()
    assert rules
    assert all(rule.split()[-1] == "scram-sha-256" for rule in rules)


def test_the_password_isnt_in_arguments_output_or_the_servers_environment(container: Container) -> None:
    started = container.start()
    assert "secret" not in container.read("calls") + started.stdout + started.stderr
    assert container.read("environment").strip() == "unset"


def test_a_changed_password_is_applied_to_an_existing_volume(container: Container) -> None:
    container.start()
    container.start(POSTGRES_PASSWORD="another")
    assert "PASSWORD 'it''s a secret';" in container.read("sql")
    assert container.read("sql").rstrip().endswith("PASSWORD 'another';")
    assert container.read("calls").count("initdb") == 1


def test_an_interrupted_first_start_is_repeated(container: Container) -> None:
    half = container.data.with_name("pgdata.new")
    half.mkdir()
    (half / "rubbish").touch()
    assert container.start().returncode == 0
    assert not (container.data / "rubbish").exists()
    assert not half.exists()


@pytest.mark.parametrize("name", ["POSTGRES_USER", "POSTGRES_DB"])
@pytest.mark.parametrize("value", ['ml"flow', "1st", "a b", "x" * 64])
def test_a_name_that_would_need_quoting_is_refused(container: Container, name: str, value: str) -> None:
    refused = container.start(**{name: value})
    assert refused.returncode == 2
    assert f"{name} is '{value}'" in refused.stderr
    assert not container.data.exists()


def test_a_missing_password_is_named(container: Container) -> None:
    refused = container.start(POSTGRES_PASSWORD="")
    assert refused.returncode != 0
    assert "POSTGRES_PASSWORD" in refused.stderr

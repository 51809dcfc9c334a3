"""Fixtures of the journeys: the running stack `local`, and its users at their places."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from mlflow.entities.model_registry import ModelVersion
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from local.toolchain import debian
from tests.journeys import front, places
from tests.journeys.browser import Browser, browser
from tests.journeys.places import Host, Standpoint
from tests.journeys.table import Place
from tests.platform import gated_platform
from tests.support.local_signer import LocalSigner


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that reaches only the platform's public name, through the proxy."""
    debian.install(debian.missing_packages(tests=True))
    with front.outside(tmp_path_factory.mktemp("front")) as host:
        yield host


@pytest.fixture(scope="session")
def standpoints(outside: Host) -> Iterator[dict[Place, Standpoint]]:
    with places.standpoints(outside) as every:
        yield every


@pytest.fixture(scope="session")
def window(outside: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(
        tmp_path_factory.mktemp("browser"), dict.fromkeys(places.PUBLIC_NAMES.values(), front.PROXY)
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def by_hand() -> Iterator[dict[str, str]]:
    """Return the environment variables after `make env`; drop the database of the restore drill at the end."""
    environment = places.by_hand()
    yield environment
    keys = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    address = make_conninfo(**{key: environment[name] for key, name in keys.items()})
    with psycopg.connect(address, autocommit=True) as database:
        database.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(places.DRILL_DATABASE)))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots, for inspection after the tests: AEGIS_PICTURES, or a temporary folder."""
    folder = Path(os.environ.get("AEGIS_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shown(standpoints: dict[Place, Standpoint]) -> dict[str, str]:
    """Log an experiment of two runs with curves and a file, and return the names to look for in the browser."""
    printed = standpoints[Place.MACHINE].python(places.HERE / "exhibit.py")
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a model folder; the commands put its archive and signatures beside it."""
    folder = tmp_path_factory.mktemp("commands") / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 1000)
    return folder


@pytest.fixture(scope="session")
def living(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the name of a model that is released and promoted, and the folder of its policies."""
    folder = tmp_path_factory.mktemp("life")
    for name, least in (("policy", 0.5), ("stricter", 0.8)):
        rules = f"rules:\n  thresholds:\n    quality: {{min: {least}}}\n"
        (folder / f"{name}.yaml").write_text(f"version: 1\nname: {name}\n{rules}")
    return f"journeys-{time.time_ns()}", folder


@pytest.fixture(scope="session")
def versions(
    standpoints: dict[Place, Standpoint], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ModelVersion]]:
    """Return a signed version, the same files unsigned and signed with a foreign key, and one that was altered.

    The signed one is also the one whose key is revoked for a while.
    """
    platform = gated_platform.running()
    folder = tmp_path_factory.mktemp("versions")
    try:
        signed, altered = (platform.release(quality, folder) for quality in ("0.7", "0.9"))
        [weights] = [key for key in platform.keys(altered) if key.endswith("/model.py")]
        platform.write(weights, platform.read(weights).replace(b"0.9", b"0.8"))
        foreign = platform.register(signed, platform.evidence(signed, LocalSigner(), folder))
        unsigned = platform.register(signed, {})
        yield {"signed": signed, "unsigned": unsigned, "altered": altered, "foreign": foreign, "revoked": signed}
    finally:
        platform.remove()

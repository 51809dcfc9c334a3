"""The rows of the table, grouped by the user who makes the journey."""

import json
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from tests.journeys import places, table
from tests.journeys.browser import Browser
from tests.journeys.places import Standpoint
from tests.journeys.table import Place, Row
from tests.platform import gated_platform

Standpoints = dict[Place, Standpoint]


@pytest.mark.parametrize("row", table.CLIENT, ids=str)
def test_a_data_scientist_with_mlflow_s_client(row: Row, standpoints: Standpoints) -> None:
    result = json.loads(standpoints[row.where].python(places.HERE / "client.py", row.what).splitlines()[-1])
    assert result["reason"] is None if row.refused is None else row.refused in result["reason"]
    assert result["seconds"] <= row.within


@pytest.mark.parametrize("row", table.VERIFIED, ids=str)
def test_a_data_scientist_with_the_client_library(row: Row, standpoints: Standpoints) -> None:
    printed = standpoints[row.where].python(places.HERE / "verified.py", row.what)
    result = json.loads(printed.splitlines()[-1])
    assert result["reason"] is None if row.refused is None else row.refused in result["reason"]
    assert result["seconds"] <= row.within


@pytest.mark.parametrize("row", table.GATEWAY, ids=str)
def test_a_client_of_the_gateway(row: Row, standpoints: Standpoints) -> None:
    standpoint = standpoints[row.where]
    printed = standpoint.python(places.HERE / "gateway_client.py", standpoint.addresses["gateway"], row.what)
    result = json.loads(printed.splitlines()[-1])
    assert result["reason"] is None if row.refused is None else row.refused in result["reason"]
    assert result["seconds"] <= row.within


@pytest.mark.parametrize("row", table.HTTP, ids=str)
def test_somebody_with_curl(row: Row, standpoints: Standpoints) -> None:
    answer = _ask(row, standpoints[row.where])
    if row.refused is not None:
        status, _, words = row.refused.partition(" ")
        assert answer.startswith(status)
        assert words in answer
    else:
        assert re.match(r"200 |403 .*AccessDenied", answer, re.DOTALL), answer


def _ask(row: Row, standpoint: Standpoint) -> str:
    server, _, way = row.what.partition(" as ")
    mlflow = standpoint.addresses["mlflow"]
    own = standpoint.addresses.get(server, mlflow)
    change = (
        f"{own}/api/mlflow/models/register" if server == "gateway" else f"{own}/ajax-api/2.0/mlflow/experiments/search"
    )
    origins = {"another page": "https://evil.example.com", "its own page": own}
    json_body = "Content-Type: application/json"
    if way in origins:
        return standpoint.ask(change, f"Origin: {origins[way]}", json_body, method="POST")
    if way == "another host":
        return standpoint.ask(own, "Host: evil.example.com")
    if server == "a presigned address":
        return standpoint.ask(f"{mlflow}/api/2.0/mlflow-artifacts/presigned/1/file")
    if server == "a missing file":
        return standpoint.ask(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/1/nothing.bin")
    if server == "the assistant":
        return standpoint.ask(f"{mlflow}/ajax-api/3.0/mlflow/assistant/providers/ollama/health")
    return standpoint.ask(standpoint.addresses.get(server) or places.in_the_cluster(server))


PAGES: dict[str, Callable[[dict[str, str]], tuple[str, tuple[str, ...]]]] = {
    "experiments": lambda seen: ("experiments", (seen["experiment_name"],)),
    "runs": lambda seen: (f"experiments/{seen['experiment']}/runs", ("steep", "flat")),
    "charts of runs": lambda seen: (f"experiments/{seen['experiment']}/runs?compareRunsMode=CHART", ("height",)),
    "run": lambda seen: (f"experiments/{seen['experiment']}/runs/{seen['steep']}", ("steep", "slope", "height")),
    "charts": lambda seen: (f"experiments/{seen['experiment']}/runs/{seen['steep']}/model-metrics", ("height",)),
    "compare": lambda seen: (
        f'compare-runs?runs=["{seen["steep"]}","{seen["flat"]}"]&experiments=["{seen["experiment"]}"]',
        ("steep", "flat", "slope"),
    ),
    "artifact": lambda seen: (
        f"experiments/{seen['experiment']}/runs/{seen['steep']}/artifacts/note.txt",
        ("note.txt", seen["note"]),
    ),
    # The model that `make up` has released.
    "models": lambda _: ("models", ("aegis-classifier",)),
    "model version": lambda _: ("models/aegis-classifier/versions/1", ("Version 1", "aegis-classifier")),
}


# CSS selectors of page content without text: the lines of a chart.
LINE = ".js-plotly-plot .scatterlayer .js-line"
DRAWN = {"charts of runs": LINE, "charts": LINE, "compare": ".js-plotly-plot .parcoords"}


@pytest.mark.parametrize("row", table.BROWSER, ids=str)
def test_a_person_with_a_browser(
    row: Row, window: Browser, standpoints: Standpoints, shown: dict[str, str], pictures: Path
) -> None:
    path, words = PAGES[row.what](shown)
    window.open(f"{standpoints[row.where].addresses['mlflow']}/#/{path}")
    try:
        text = window.until(*words)
        if row.what in DRAWN:
            window.until_drawn(DRAWN[row.what])
    finally:
        window.picture(pictures / f"{row.where.name.lower()} {row.what}.png")
    assert "Failed to load" not in text
    assert window.failures() == []


ALIAS_EDITOR = "[data-component-id*='modelversionviewaliaseditor']"


@pytest.mark.parametrize("row", table.ALIASES, ids=str)
def test_a_person_who_gives_an_alias_in_the_browser(
    row: Row, window: Browser, standpoints: Standpoints, versions: dict[str, ModelVersion], pictures: Path
) -> None:
    which, _, alias = row.what.partition(" gets ")
    version = versions[which]
    with gated_platform.revoked(version) if which == "revoked" else nullcontext():
        MlflowClient(standpoints[Place.MACHINE].addresses["mlflow"]).delete_registered_model_alias(version.name, alias)
        window.open(f"{standpoints[row.where].addresses['mlflow']}/#/models/{version.name}/versions/{version.version}")
        window.click(ALIAS_EDITOR)
        window.enter("[role=dialog] input", alias)
        window.click("[role=dialog] button", "Save")
        try:
            # The page has a no-break space after the @.
            window.until(row.refused or f"@\N{NO-BREAK SPACE}{alias}")
        finally:
            window.picture(pictures / f"{row.where.name.lower()} {row.what}.png")


COMMANDS: dict[str, tuple[str, ...]] = {
    "select": ("workloads.registry.select_best_run", "--experiment-name", "aegis", "--metric", "val/accuracy"),
    "package and sign": ("workloads.signing.package_and_sign", "model", "model.tar.gz"),
    "verify": ("workloads.signing.verify", "model.tar.gz", "--key", "cosign-v1.pub"),
    "back up": ("workloads.backup.create", "--verify"),
    "list backups": ("workloads.backup.list",),
    "restore": ("workloads.backup.restore", "latest", "--force"),
}
# A restore drill uses a separate database.
DRILL = {"restore": {"PGDATABASE": places.DRILL_DATABASE}}


@pytest.mark.parametrize("row", table.COMMANDS, ids=str)
def test_a_platform_engineer_with_the_commands(
    row: Row, by_hand: dict[str, str], standpoints: Standpoints, model: Path
) -> None:
    standpoint = standpoints[row.where]
    variables = by_hand if row.where is Place.MACHINE else places.guessed(standpoint)
    began = time.monotonic()
    outcome = standpoint.command(
        *COMMANDS[row.what], variables=variables | DRILL.get(row.what, {}), folder=model.parent
    )
    assert outcome.startswith(row.refused or "exit 0: ")
    assert time.monotonic() - began <= row.within


# MODEL stands for the name of the model and of its experiment.
LIFE: dict[str, tuple[str, ...]] = {
    "release": ("workloads.release.run", "--experiment-name=MODEL", "--metric=quality", "--model-name=MODEL"),
    "promote": ("workloads.registry", "promote", "MODEL", "--policy", "policy.yaml"),
    "promote by a stricter policy": ("workloads.registry", "promote", "MODEL", "--policy", "stricter.yaml"),
    "verify the champion": ("workloads.signing", "verify", "models:/MODEL@champion", "--deep"),
    "roll back": ("workloads.registry", "rollback", "MODEL", "--reason", "slow on long inputs"),
    "history": ("workloads.registry", "history", "MODEL"),
}
QUALITY = {"release": "0.7", "release the better one": "0.9"}
CHAMPION = {"promote": "1", "promote the better one": "2", "verify the champion": "2", "roll back": "1", "history": "1"}


@pytest.mark.parametrize("row", table.LIFE, ids=str)
def test_a_platform_engineer_who_answers_for_a_model(
    row: Row, by_hand: dict[str, str], standpoints: Standpoints, living: tuple[str, Path]
) -> None:
    name, folder = living
    standpoint = standpoints[row.where]
    variables = by_hand if row.where is Place.MACHINE else places.guessed(standpoint)
    if quality := QUALITY.get(row.what):
        standpoint.python(places.HERE / "trained.py", name, quality)
    command = [part.replace("MODEL", name) for part in LIFE[row.what.removesuffix(" the better one")]]
    began = time.monotonic()
    outcome = standpoint.command(command[0], *command[1:], variables=variables, folder=folder)
    assert outcome.startswith(row.refused or "exit 0: ")
    assert time.monotonic() - began <= row.within
    if row.refused is None and row.what in CHAMPION:
        client = MlflowClient(standpoints[Place.MACHINE].addresses["mlflow"])
        assert str(client.get_model_version_by_alias(name, "champion").version) == CHAMPION[row.what]


@pytest.mark.parametrize("row", table.SERVING, ids=str)
def test_a_client_of_a_served_model(row: Row, standpoints: Standpoints, living: tuple[str, Path]) -> None:
    standpoint = standpoints[row.where]
    gateway = standpoint.addresses["gateway"]
    result = json.loads(standpoint.python(places.HERE / "gateway_client.py", gateway, row.what, living[0]))
    assert result["reason"] is None
    assert result["seconds"] <= row.within

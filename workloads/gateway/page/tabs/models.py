"""The tab of registered models: versions with their signatures, and what led to them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import gradio as gr

from aegis.keys import PublicKey
from workloads.gateway import tags
from workloads.gateway.errors import GatewayError
from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import signatures, tables
from workloads.gateway.page.context import Context, choice, notices
from workloads.gateway.page.tables import Badge

_MOST: Final = 200
_MOST_VERSIONS: Final = 50
# What the decisions about a model leave in its tags (workloads/registry/decisions).
_LAST_DECISION: Final = "aegis.decisions.head"
_DECISION: Final = "aegis.decision"


def make(context: Context) -> None:
    """Make the tab."""
    with gr.Tab("Models") as tab:
        said = notices()
        model = choice("Model")
        versions = gr.HTML()
        history = gr.HTML()
        gr.HTML(tables.notice(signatures.CHECKED))

    async def load(mlflow: MLflowManager, before: str | None) -> gr.Dropdown:
        found = await mlflow.models.search(max_results=_MOST)
        names = [each["name"] for each in found["registered_models"]]
        return gr.Dropdown(choices=names, value=before if before in names else next(iter(names), None))

    async def show(mlflow: MLflowManager, name: str | None) -> tuple[str, str]:
        if not name:
            return tables.notice("There is no registered model yet."), ""
        found, listed = await asyncio.gather(
            mlflow.models.get(name), mlflow.models.versions(name, max_results=_MOST_VERSIONS)
        )
        serving = await _served_version(mlflow, name)
        described = found["registered_model"]
        # To check a signature takes a millisecond and more, in which no other request would be answered.
        table = await asyncio.to_thread(_versions, described, listed["model_versions"], serving)
        return table, decisions(described)

    context.on([tab.select], load, [model], [model], said)
    context.on([model.change, tab.select], show, [model], [versions, history], said)


async def _served_version(mlflow: MLflowManager, name: str) -> str | None:
    """Return the version that is served, or None if there is none, or nobody knows."""
    try:
        served = await mlflow.deployment.served()
    except GatewayError:
        return None
    return next((each.get("served_version") for each in served if each["model"] == name), None)


def _versions(model: Mapping[str, Any], versions: Sequence[Mapping[str, Any]], serving: str | None) -> str:
    return table(model, versions, serving, signatures.trusted())


def table(
    model: Mapping[str, Any],
    versions: Sequence[Mapping[str, Any]],
    serving: str | None,
    keys: Sequence[PublicKey] | None,
) -> str:
    """Return the table of a model's versions, newest first."""
    aliases = {each["alias"]: each["version"] for each in model.get("aliases", [])}
    lines = [_line(each, aliases, serving, keys) for each in versions]
    columns = ("Version", "Signature", "Aliases", "Stage", "Served", "Created (UTC)", "Run", "Last decision")
    return tables.table(columns, lines, empty="This model has no version yet.")


def _line(
    version: Mapping[str, Any], aliases: Mapping[str, str], serving: str | None, keys: Sequence[PublicKey] | None
) -> tuple[tables.Cell, ...]:
    number = str(version["version"])
    stage = version.get("current_stage") or "None"
    return (
        number,
        signatures.state(version, keys),
        ", ".join(sorted(alias for alias, at in aliases.items() if at == number)),
        "" if stage == "None" else stage,
        Badge(text="served", kind="good") if number == serving else "",
        tables.moment(int(version.get("creation_timestamp", 0))),
        (version.get("run_id") or "")[:8],
        _record(tags.to_dict(version.get("tags")).get(_DECISION)),
    )


def decisions(model: Mapping[str, Any]) -> str:
    """Return what the model's tags tell about its signed decisions. The records themselves aren't MLflow's to show."""
    last = tags.to_dict(model.get("tags")).get(_LAST_DECISION)
    if not last:
        return tables.notice("No signed decision about this model is known to MLflow.")
    name = model["name"]
    return tables.notice(
        f"The last signed decision is {_record(last)}. All of them, with their signatures: "
        f"python -m workloads.registry history {name}."
    )


def _record(mark: str | None) -> str:
    number = (mark or "").partition(" ")[0]
    return f"record {number}" if number else ""

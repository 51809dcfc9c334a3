"""The tab of an experiment's runs."""

from collections.abc import Sequence
from typing import Final

import gradio as gr

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import rows, tables
from workloads.gateway.page.context import Context, notices
from workloads.gateway.page.tables import Badge

# Columns of parameters and of metrics.
_MOST_COLUMNS: Final = 4
_KINDS: Final = {"FINISHED": "good", "FAILED": "bad", "KILLED": "bad", "RUNNING": "busy"}


def make(context: Context) -> None:
    """Make the tab."""
    with gr.Tab("Runs") as tab:
        said = notices()
        wanted = gr.Textbox(
            label="Filter", placeholder="metrics.loss < 0.1 and params.layers = '3'", submit_btn="Apply", max_lines=1
        )
        shown = gr.HTML()

    async def load(mlflow: MLflowManager, experiment: str | None, text: str) -> str:
        return table(await rows.runs(mlflow, experiment, text or "")) if experiment else table([])

    inputs = [context.experiment, wanted]
    context.fill(tab, load, inputs, [shown], said)
    context.on([wanted.submit], load, inputs, [shown], said)


def table(found: Sequence[rows.Run]) -> str:
    """Return the table of runs, with the metrics and the parameters that differ."""
    metrics = rows.metric_names(found)[:_MOST_COLUMNS]
    params = rows.varying(found)[:_MOST_COLUMNS]
    lines = [_line(run, metrics, params) for run in found]
    columns = ("Run", "Status", "Started (UTC)", "Took", *metrics, *params)
    return tables.table(columns, lines, empty="No run of this experiment matches.")


def _line(run: rows.Run, metrics: Sequence[str], params: Sequence[str]) -> tuple[tables.Cell, ...]:
    return (
        run.name,
        Badge(text=run.status.lower(), kind=_KINDS.get(run.status, "plain")),
        tables.moment(run.started),
        tables.duration(run.ended - run.started) if run.ended else "",
        *(tables.number(run.metrics[name]) if name in run.metrics else "" for name in metrics),
        *(run.params.get(name, "") for name in params),
    )

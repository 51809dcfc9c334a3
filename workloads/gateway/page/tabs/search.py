"""The tab with the parallel coordinates of a search over hyperparameters."""

import math
from collections.abc import Sequence
from typing import Final

import gradio as gr
from gradio.components.plot import PlotData

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import figures, rows, tables
from workloads.gateway.page.context import Context, choice, drawn, notices

# Axes that a phone's width can hold, and the most that a wide window can.
_FIRST: Final = 4
_MOST: Final = 8
_BEST: Final = 5


def make(context: Context) -> None:
    """Make the tab."""
    with gr.Tab("Search") as tab:
        said = notices()
        with gr.Row():
            metric = choice("Metric")
            params = choice("Hyperparameters", multiselect=True, max_choices=_MOST)
        plot = gr.Plot(show_label=False)
        order = gr.Radio(["lowest", "highest"], value="lowest", label="Runs with the")
        best = gr.HTML()

    async def load(
        mlflow: MLflowManager, experiment: str | None, before: str | None, names: Sequence[str] | None
    ) -> tuple[object, ...]:
        found = await rows.runs(mlflow, experiment, most=rows.MOST_TRIALS) if experiment else []
        metrics, varying = rows.metric_names(found), rows.varying(found)
        value = before if before in metrics else next(iter(metrics), None)
        kept = [name for name in names or () if name in varying] or varying[:_FIRST]
        return gr.Dropdown(choices=metrics, value=value), gr.Dropdown(choices=varying, value=kept)

    async def draw(
        mlflow: MLflowManager, experiment: str | None, name: str | None, names: Sequence[str] | None, wanted: str
    ) -> tuple[PlotData | None, str]:
        if not (experiment and name):
            return None, tables.notice("No run of this experiment has a metric.")
        found = await rows.runs(mlflow, experiment, most=rows.MOST_TRIALS)
        axes = list(names or ())[:_MOST]
        return drawn(figures.search(found, axes, name)), table(found, axes, name, highest=wanted == "highest")

    context.fill(tab, load, [context.experiment, metric, params], [metric, params], said)
    inputs = [context.experiment, metric, params, order]
    context.on([metric.change, params.change, order.change, tab.select], draw, inputs, [plot, best], said)


def table(found: Sequence[rows.Run], params: Sequence[str], metric: str, *, highest: bool) -> str:
    """Return the table of the runs with the lowest or highest values of a metric."""
    measured = [run for run in found if math.isfinite(run.metrics.get(metric, math.nan))]
    ordered = sorted(measured, key=lambda run: run.metrics[metric], reverse=highest)[:_BEST]
    lines = [
        (run.name, tables.number(run.metrics[metric]), *(run.params.get(name, "") for name in params))
        for run in ordered
    ]
    return tables.table(("Run", metric, *params), lines, empty="No run has this metric.")

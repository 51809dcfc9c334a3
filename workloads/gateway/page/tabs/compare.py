"""The tab that compares several runs: their metrics as bars, and what differs in a table."""

from collections.abc import Sequence
from typing import Final

import gradio as gr
from gradio.components.plot import PlotData

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import figures, rows, tables
from workloads.gateway.page.context import Context, choice, drawn, notices

_FIRST_RUNS: Final = 4
_MOST_RUNS: Final = 10
_FIRST_METRICS: Final = 2
_MOST_METRICS: Final = 6


def make(context: Context) -> None:
    """Make the tab."""
    with gr.Tab("Compare") as tab:
        said = notices()
        with gr.Row():
            chosen = choice("Runs", multiselect=True, max_choices=_MOST_RUNS)
            metrics = choice("Metrics", multiselect=True, max_choices=_MOST_METRICS)
        plot = gr.Plot(show_label=False)
        shown = gr.HTML()

    async def load(
        mlflow: MLflowManager, experiment: str | None, ids: Sequence[str] | None, names: Sequence[str] | None
    ) -> tuple[object, ...]:
        found = await rows.runs(mlflow, experiment) if experiment else []
        known = rows.metric_names(found)
        choices = [(run.name, run.run_id) for run in found]
        kept = [run.run_id for run in found if run.run_id in (ids or ())]
        first = kept or [run.run_id for run in found if run.metrics][:_FIRST_RUNS]
        measured = [name for name in names or () if name in known] or known[:_FIRST_METRICS]
        return gr.Dropdown(choices=choices, value=first), gr.Dropdown(choices=known, value=measured)

    async def draw(
        mlflow: MLflowManager, experiment: str | None, ids: Sequence[str] | None, names: Sequence[str] | None
    ) -> tuple[PlotData | None, str]:
        if not (experiment and ids):
            return None, tables.notice("Choose runs to compare.")
        found = [run for run in await rows.runs(mlflow, experiment) if run.run_id in ids][:_MOST_RUNS]
        measured = list(names or ())[:_MOST_METRICS]
        return drawn(figures.comparison(found, measured)) if measured else None, table(found)

    inputs = [context.experiment, chosen, metrics]
    context.fill(tab, load, inputs, [chosen, metrics], said)
    context.on([chosen.change, metrics.change, tab.select], draw, inputs, [plot, shown], said)


def table(found: Sequence[rows.Run]) -> str:
    """Return a table with a row for each metric, and for each parameter that differs."""
    lines: list[tuple[str, ...]] = [
        (name, *(tables.number(run.metrics[name]) if name in run.metrics else "-" for run in found))
        for name in rows.metric_names(found)
    ]
    lines += [(name, *(run.params.get(name, "-") for run in found)) for name in rows.varying(found)]
    return tables.table(("", *(run.name for run in found)), lines, empty="The runs differ in nothing.")

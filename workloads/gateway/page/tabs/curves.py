"""The tab with the curves of several runs, drawn again every few seconds while they are watched."""

from collections.abc import Sequence
from typing import Any, Final

import gradio as gr
from gradio.components.plot import PlotData

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import figures, rows
from workloads.gateway.page.context import Context, choice, drawn, notices

_NAME: Final = "Curves"
# Seconds between two drawings.
_EVERY: Final = 5
# Runs that are drawn before the user chooses.
_FIRST: Final = 4
_UNSEEN: Final[Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


def make(context: Context, tabs: gr.Tabs) -> None:
    """Make the tab; `tabs` tell when it is left."""
    with gr.Tab(_NAME) as tab:
        said = notices()
        with gr.Row():
            metric = choice("Metric")
            chosen = choice("Runs", multiselect=True, max_choices=rows.MOST_CURVES)
        live = gr.Checkbox(label=f"Live: draw again every {_EVERY} seconds", value=True)
        plot = gr.Plot(show_label=False)
        timer = gr.Timer(_EVERY, active=False)

    async def load(
        mlflow: MLflowManager, experiment: str | None, before: str | None, runs: Sequence[str] | None
    ) -> tuple[object, ...]:
        found = await rows.runs(mlflow, experiment) if experiment else []
        metrics = rows.metric_names(found)
        value = before if before in metrics else next(iter(metrics), None)
        ids = [run.run_id for run in found]
        kept = [run_id for run_id in runs or () if run_id in ids]
        shown = kept or [run.run_id for run in found if value in run.metrics][:_FIRST]
        choices = [(run.name, run.run_id) for run in found]
        return gr.Dropdown(choices=metrics, value=value), gr.Dropdown(choices=choices, value=shown)

    async def draw(
        mlflow: MLflowManager, experiment: str | None, name: str | None, runs: Sequence[str] | None
    ) -> PlotData | None:
        if not (experiment and name and runs):
            return None
        found = await rows.runs(mlflow, experiment)
        names = {run.run_id: run.name for run in found}
        return drawn(figures.curves(await rows.curves(mlflow, runs, name), names, name))

    inputs = [context.experiment, metric, chosen]
    context.fill(tab, load, inputs, [metric, chosen], said)
    context.on([metric.change, chosen.change, tab.select], draw, inputs, [plot], said)
    context.on([timer.tick], draw, inputs, [plot], said, quiet=True)
    _watch(tabs, live, timer)


def _watch(tabs: gr.Tabs, live: gr.Checkbox, timer: gr.Timer) -> None:
    """Let the timer run only while the tab is open and the box is ticked."""

    def opened(on: bool, selected: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=on and selected.value == _NAME)

    gr.on([live.change], lambda on: gr.Timer(active=on), [live], [timer], **_UNSEEN)
    gr.on([tabs.select], opened, [live], [timer], **_UNSEEN)

"""The tab of experiments, which also fills the choice of an experiment."""

import gradio as gr

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import rows, tables
from workloads.gateway.page.context import Context


def make(context: Context, page: gr.Blocks, said: gr.HTML) -> None:
    """Make the tab. `said` is above the choice."""
    with gr.Tab("Experiments") as tab:
        shown = gr.HTML()

    async def load(mlflow: MLflowManager, chosen: str | None) -> tuple[object, ...]:
        found = await rows.experiments(mlflow)
        ids = [each.experiment_id for each in found]
        choices = [(each.name, each.experiment_id) for each in found]
        value = chosen if chosen in ids else next(iter(ids), None)
        return gr.Dropdown(choices=choices, value=value), table(found)

    context.on([page.load, tab.select], load, [context.experiment], [context.experiment, shown], said)


def table(found: list[rows.Experiment]) -> str:
    """Return the table of experiments."""
    lines = [(each.name, each.experiment_id, tables.moment(each.updated), each.description) for each in found]
    return tables.table(("Name", "ID", "Updated (UTC)", "Description"), lines, empty="There is no experiment yet.")

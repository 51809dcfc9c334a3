"""What the tabs have in common: each event asks MLflow as the user who caused it, and failures become sentences."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.components.plot import PlotData

from workloads.gateway.errors import GatewayError, UnauthenticatedError, UnavailableError
from workloads.gateway.manager import MLflowManager
from workloads.gateway.page.figures import Figure
from workloads.gateway.page.tables import notice

Work = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Context:
    """MLflow, the seconds that one action may take, and what the user has chosen: the experiment and the open tab."""

    manager: MLflowManager
    seconds: float
    experiment: gr.Dropdown
    opened: gr.Textbox

    def on(
        self,
        triggers: Sequence[Callable[..., Any]],
        work: Work,
        inputs: Sequence[Component],
        outputs: Sequence[Component],
        said: gr.HTML,
        *,
        quiet: bool = False,
    ) -> None:
        """Call `work(mlflow, *inputs)` on each of the triggers, and show what it returns in the outputs.

        If MLflow refuses or is away, the outputs stay as they are, and `said` says why. The events don't go through
        Gradio's queue: each is one request and one answer, so that it carries its user's authentication, and any
        replica of the gateway may answer it. With `quiet`, no progress is shown.
        """

        async def answered(request: gr.Request, *values: object) -> list[Any]:
            try:
                mlflow = self.manager.as_caller(request.headers, seconds=self.seconds)
                shown = await work(mlflow, *values)
            except GatewayError as error:
                return [*(gr.skip() for _ in outputs), notice(sentence(error), failed=True)]
            return [*(shown if isinstance(shown, tuple) else (shown,)), ""]

        gr.on(
            list(triggers),
            answered,
            inputs=list(inputs),
            outputs=[*outputs, said],
            queue=False,
            api_visibility="private",
            show_progress="hidden" if quiet else "minimal",
            trigger_mode="always_last",
        )

    def fill(
        self, tab: gr.Tab, work: Work, inputs: Sequence[Component], outputs: Sequence[Component], said: gr.HTML
    ) -> None:
        """Call `work` as `on` does when the tab is opened, and when the experiment changes while it is open."""

        async def if_open(mlflow: MLflowManager, opened: str, *values: object) -> object:
            return await work(mlflow, *values) if opened == tab.label else tuple(gr.skip() for _ in outputs)

        # The browser itself notes which tab is open, without a request.
        gr.on([tab.select], None, None, [self.opened], js=f"() => {json.dumps(tab.label)}", queue=False)
        self.on([tab.select], work, inputs, outputs, said)
        self.on([self.experiment.change], if_open, [self.opened, *inputs], outputs, said, quiet=True)


def drawn(figure: Figure) -> PlotData:
    """Return a figure as Gradio sends it to Plotly in the browser."""
    return PlotData(type="plotly", plot=json.dumps(figure, allow_nan=False))


def notices() -> gr.HTML:
    """Return the place of a tab's sentences to the user, which takes no room while there is none."""
    return gr.HTML(elem_classes="notices")


def sentence(error: GatewayError) -> str:
    """Return what a user reads about an error."""
    if isinstance(error, UnauthenticatedError):
        return "MLflow asks for a login. Reload the page to log in."
    if isinstance(error, UnavailableError):
        return f"{error.detail} Try again in a moment."
    return error.detail


def choice(label: str, **more: Any) -> gr.Dropdown:  # noqa: ANN401 - Gradio's arguments
    """Return a dropdown whose choices come later, with the user's rights.

    Custom values are allowed because the choices that one replica sent are unknown to another, which would refuse them.
    """
    return gr.Dropdown(
        choices=[], value=None, label=label, allow_custom_value=True, interactive=True, min_width=260, **more
    )

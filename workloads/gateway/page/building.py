"""The page as an ASGI app. Importing this module imports Gradio."""

import contextlib
import importlib
import os
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

# Gradio reads it while it is imported: without it, it would ask a server on the internet for its newest version.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from fastapi import FastAPI
from gradio import themes
from gradio.blocks import Block
from starlette.types import ASGIApp

from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import events
from workloads.gateway.page.context import Context, choice, notices
from workloads.gateway.page.events import Events, Function, Kind
from workloads.gateway.page.tabs import attempt, compare, curves, experiments, models, runs, search

_TITLE: Final = "Aegis"
# Fonts that the device has; Gradio's own would come from a server on the internet.
_FONT: Final = ("system-ui", "sans-serif")
_MONO: Final = ("ui-monospace", "monospace")


def make(manager: MLflowManager, *, seconds: float) -> ASGIApp:
    """Return the page's app. All requests to MLflow for one action of a user end within `seconds`."""
    _import_early()
    app = FastAPI(openapi_url=None)
    blocks = _blocks(manager, seconds)
    # Gradio would keep what it last sent to each of 10,000 windows. Nothing here reads it.
    blocks.state_session_capacity = 1
    page = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        blocked_paths=["/"],
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        theme=themes.Default(font=_FONT, font_mono=_MONO),
        css=Path(__file__).with_name("style.css").read_text(encoding="utf-8"),
    )
    return Events(page, {index: _function(each.fn, each.inputs) for index, each in blocks.fns.items() if each.fn})


def _function(called: Callable[..., object], inputs: Sequence[Block]) -> Function:
    selects = gr.SelectData in typing.get_type_hints(called).values()
    return Function(inputs=[_kind(each) for each in inputs], selects=selects)


def _kind(component: Block) -> Kind:
    """Return what the page's component can hold."""
    match component:
        case gr.Dropdown(multiselect=True):
            return events.TEXTS
        case gr.Checkbox():
            return events.FLAG
        case gr.Radio():
            return events.one_of([str(value) for _, value in component.choices])
        case _:
            return events.TEXT


def _import_early() -> None:
    """Import what Gradio would import in its first event, where all requests of the process would wait for it."""
    with contextlib.suppress(ImportError):
        importlib.import_module("matplotlib").use("agg")


def _blocks(manager: MLflowManager, seconds: float) -> gr.Blocks:
    with gr.Blocks(title=_TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {_TITLE}")
        said = notices()
        context = Context(
            manager=manager, seconds=seconds, experiment=choice("Experiment"), opened=gr.Textbox(visible=False)
        )
        with gr.Tabs(overflow_behavior="wrap") as tabs:
            experiments.make(context, page, said)
            runs.make(context)
            curves.make(context, tabs)
            search.make(context)
            compare.make(context)
            models.make(context)
            attempt.make(context)
    return page

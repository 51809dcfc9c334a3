"""The tab in which a served model is tried."""

import json
from collections.abc import Mapping
from typing import Any, Final

import gradio as gr

from workloads.gateway.errors import InvalidError, TooLargeError
from workloads.gateway.manager import MLflowManager
from workloads.gateway.page import examples, tables
from workloads.gateway.page.context import Context, choice, notices

# Seconds and bytes of a prediction on this page. Programs use the API, which allows more.
_SECONDS: Final = 20
_LARGEST: Final = 512 << 10
_LARGEST_SHOWN: Final = 100_000


def make(context: Context) -> None:
    """Make the tab."""
    with gr.Tab("Try") as tab:
        said = notices()
        model = choice("Served model")
        state = gr.HTML()
        asked = gr.Textbox(label="Input (JSON)", lines=8, max_lines=16, elem_classes="code")
        button = gr.Button("Ask the model", variant="primary")
        answered = gr.Textbox(label="Answer", lines=4, max_lines=20, interactive=False, elem_classes="code")

    async def load(mlflow: MLflowManager, before: str | None) -> tuple[object, ...]:
        names = [each["model"] for each in await mlflow.deployment.served()]
        value = before if before in names else next(iter(names), None)
        nothing = "" if names else tables.notice("No model is served that you may read.")
        return gr.Dropdown(choices=names, value=value), nothing

    async def describe(mlflow: MLflowManager, name: str | None) -> tuple[str, str]:
        entry = next((each for each in await mlflow.deployment.served() if each["model"] == name), None)
        if not name or entry is None:
            return tables.notice("No model is served that you may read."), ""
        version = entry.get("served_version") or entry.get("wanted_version")
        return tables.notice(situation(entry)), await examples.example(mlflow, name, version) or "" if version else ""

    async def ask(mlflow: MLflowManager, name: str | None, text: str | None) -> str:
        if not name:
            raise InvalidError("Choose a served model first.")
        return await answer(mlflow, name, text or "")

    context.on([tab.select], load, [model], [model, state], said)
    context.on([model.change], describe, [model], [state, asked], said)
    context.on([button.click], ask, [model, asked], [answered], said)


async def answer(mlflow: MLflowManager, name: str, text: str) -> str:
    """Return a served model's answer to a JSON text, in a form for people.

    Raises:
        GatewayError: The input isn't JSON or is too large, the model refuses it, or isn't served.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"The input is not JSON: {error}.") from error
    body = text.encode()
    if len(body) > _LARGEST:
        raise TooLargeError(f"This page sends at most {_LARGEST >> 10} KiB. The API takes more.")
    found = await mlflow.deployment.predict(name, body, "application/json", seconds=_SECONDS)
    return readable(found.body)


def readable(body: bytes) -> str:
    """Return an answer with one value in a line if it is JSON and short, cut off if it is long."""
    text = body.decode(errors="replace")
    if len(text) <= _LARGEST_SHOWN:
        try:
            return json.dumps(json.loads(text), indent=2)
        except (ValueError, RecursionError):
            return text
    return f"{text[:_LARGEST_SHOWN]}\n… ({len(body)} bytes)"


def situation(entry: Mapping[str, Any]) -> str:
    """Return a sentence about what is served."""
    served, wanted, state = entry.get("served_version"), entry.get("wanted_version"), entry.get("state", "waiting")
    reason = f": {entry['reason']}" if entry.get("reason") else ""
    if served is None:
        return f"Version {wanted} is {state}{reason}." if wanted else f"It is {state}{reason}."
    if served == wanted:
        return f"Version {served} {'has failed' if state == 'failed' else 'is served'}{reason}."
    return f"Version {served} is served; version {wanted} is {state}{reason}."

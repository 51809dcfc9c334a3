"""Plots, as Plotly gets them."""

import json
import math
from typing import Any

import plotly.graph_objects as go

from workloads.gateway.page import figures
from workloads.gateway.page.rows import Point, Run


def drawn(figure: figures.Figure) -> dict[str, Any]:
    """Return the figure as the browser gets it, if Plotly knows all of it."""
    go.Figure(figure)
    return json.loads(json.dumps(figure, allow_nan=False))


def run(number: int, loss: float, **params: str) -> Run:
    return Run(
        run_id=f"{number}abcdef",
        name="trial",
        status="FINISHED",
        started=0,
        ended=1,
        params=params,
        metrics={"loss": loss},
    )


def test_each_run_has_a_curve_with_its_name_and_its_own_colour() -> None:
    points = [Point(step=1, time=0, value=0.5), Point(step=2, time=0, value=0.25)]
    first, second = drawn(figures.curves({"a": points, "b": points}, {"a": "one", "b": "two"}, "loss"))["data"]
    assert (first["name"], first["x"], first["y"]) == ("one", [1, 2], [0.5, 0.25])
    assert second["name"] == "two"
    assert first["line"]["color"] != second["line"]["color"]


def test_a_single_value_is_a_mark_because_a_line_would_not_show_it() -> None:
    (curve,) = drawn(figures.curves({"a": [Point(step=1, time=0, value=0.5)]}, {}, "loss"))["data"]
    assert curve["mode"] == "lines+markers"


def test_a_learning_rate_over_decades_has_a_logarithmic_axis() -> None:
    runs = [run(1, 0.1, lr="0.1"), run(2, 0.2, lr="0.001")]
    (plot,) = drawn(figures.search(runs, ["lr"], "loss"))["data"]
    rate, loss = plot["dimensions"]
    assert rate["values"] == [-1, -3]
    assert rate["ticktext"] == ["0.001", "0.01", "0.1"]
    assert loss["values"] == plot["line"]["color"] == [0.1, 0.2]


def test_words_and_missing_values_are_places_on_an_axis() -> None:
    runs = [run(1, 0.1, optimizer="sgd"), run(2, 0.2, optimizer="adam"), run(3, 0.3)]
    optimizer = drawn(figures.search(runs, ["optimizer"], "loss"))["data"][0]["dimensions"][0]
    assert optimizer["values"] == [2, 1, 0]
    assert optimizer["ticktext"] == ["-", "adam", "sgd"]


def test_a_run_without_a_finite_metric_is_no_line_of_a_search() -> None:
    runs = [run(1, 0.1, lr="1"), run(2, math.nan, lr="2"), run(3, math.inf, lr="3")]
    assert drawn(figures.search(runs, ["lr"], "loss"))["data"][0]["line"]["color"] == [0.1]


def test_runs_of_one_name_have_bars_of_their_own() -> None:
    (bars,) = drawn(figures.comparison([run(1, 0.1), run(2, 0.2)], ["loss"]))["data"]
    assert bars["x"] == [0.1, 0.2]
    assert len(set(bars["y"])) == 2


def test_the_metrics_of_a_comparison_share_the_height_and_not_an_axis() -> None:
    runs = [run(1, 0.1), run(2, 0.2)]
    figure = drawn(figures.comparison(runs, ["loss", "missing"]))
    assert [bars["yaxis"] for bars in figure["data"]] == ["y", "y2"]
    assert figure["layout"]["yaxis"]["domain"][0] > figure["layout"]["yaxis2"]["domain"][1]
    assert figure["data"][1]["x"] == []


def test_a_name_is_not_markup_for_plotly() -> None:
    (curve,) = drawn(figures.curves({"a": []}, {"a": "<a href='x'>"}, "<b>loss</b>"))["data"]
    assert curve["name"].startswith("&lt;a")

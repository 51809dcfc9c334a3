"""The page of a comparison: escaped, complete in one file, and written whole or not at all."""

import math
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts import Exit
from tests.support.tracking_store import Experiment
from tests.unit.registry.conftest import log_curve, rename
from workloads.cli import WorkloadError
from workloads.mlflow_client import Tracking
from workloads.registry import plots, report
from workloads.registry.comparison import Comparison, read_runs, read_versions
from workloads.registry.curves import Point
from workloads.registry.row import Order, Row
from workloads.registry.runs import Chosen

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOSTILE = "</td></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}$\\frac{"


class Page(HTMLParser):
    """The tags of a page, and its text outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def compared(tracking: Tracking, experiment: Experiment, *metrics: str) -> Comparison:
    return read_runs(tracking, experiment.name, metrics, Order(), Chosen())


def shown(tracking: Tracking, comparison: Comparison, most_plots: int = 9) -> Page:
    return Page(report.page(tracking, comparison, most_plots, NOW))


def made_up(metrics: list[str], rows: int = 1, name: str = "run") -> Comparison:
    details = {"run_name": name, "status": "FINISHED", "started": NOW, "run_id": ""}
    values = dict.fromkeys(metrics, 1.5)
    return Comparison(
        subject=f"experiment {name!r}",
        kind="runs",
        rows=[Row(name=name, run_id="", details=details, metrics=values) for _ in range(rows)],
        metrics=metrics,
        maximize=dict.fromkeys(metrics, True),
        order=Order(),
        complete=True,
    )


def test_the_page_has_the_table_and_a_plot_for_each_metric(tracking: Tracking, experiment: Experiment) -> None:
    run_id = experiment.run({}, started=1)
    log_curve(experiment, run_id, "val/loss", [3, 2, 1])
    log_curve(experiment, run_id, "f1", [math.nan])
    rename(experiment, run_id, "first")
    page = shown(tracking, compared(tracking, experiment))
    for text in ("first", run_id, "val/loss", "lower is better", "1\N{NO-BREAK SPACE}★", "NaN"):
        assert text in page.text
    assert "No value that can be drawn." in page.text
    assert "2026-01-02 03:04 UTC. 1 run, newest first." in page.text
    assert page.tags.count("svg") == 1


def test_names_are_text_and_nothing_else(tracking: Tracking, experiment: Experiment) -> None:
    run_id = experiment.run({"a": 1})
    rename(experiment, run_id, HOSTILE)
    for page in (shown(tracking, compared(tracking, experiment)), shown(tracking, made_up([HOSTILE], name=HOSTILE))):
        assert HOSTILE in page.text
        assert not {"script", "img", "iframe", "link"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_unprintable_characters_of_names_are_shown_as_escapes(tracking: Tracking, experiment: Experiment) -> None:
    run_id = experiment.run({"a": 1})
    rename(experiment, run_id, "a\x1b[31mb")
    page = shown(tracking, compared(tracking, experiment))
    assert r"a\x1b[31mb" in page.text
    assert "\x1b" not in page.text


def test_the_page_loads_nothing_and_fits_a_phone(tracking: Tracking, experiment: Experiment) -> None:
    run_id = experiment.run({})
    log_curve(experiment, run_id, "val/loss", [3, 2, 1])
    page = shown(tracking, compared(tracking, experiment))
    addresses = [value for name, value in page.attributes if name in {"src", "href", "xlink:href"}]
    assert all(value and value.startswith("#") for value in addresses)
    assert ("content", "width=device-width, initial-scale=1") in page.attributes
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_the_page_says_what_it_leaves_out(tracking: Tracking) -> None:
    page = shown(tracking, made_up(["a", "b", "c"], rows=12), most_plots=2)
    assert page.tags.count("svg") == 2
    assert "first 2 of 3 metrics" in page.text
    assert "first 10 of 12 rows" in page.text
    assert page.tags.count("tr") == 13


def test_versions_have_their_aliases_on_the_page(tracking: Tracking, experiment: Experiment) -> None:
    tracking.client.create_registered_model("paged")
    tracking.client.create_model_version("paged", "file:///nowhere", experiment.run({"loss": 1}))
    tracking.client.set_registered_model_alias("paged", "champion", "1")
    page = shown(tracking, read_versions(tracking, "paged", [], Order()))
    for text in ("Versions of the registered model 'paged'", "version 1", "champion", "signed"):
        assert text in page.text
    assert page.tags.count("svg") == 1


@pytest.mark.parametrize(
    ("points", "axis"),
    [
        ([Point(1, 0, 1), Point(2, 0, 2)], "step"),
        ([Point(0, 1000, 1), Point(0, 3000, 2)], "seconds"),
        ([Point(7, 0, 1)], "row"),
        ([Point(0, 0, 1e308), Point(1, 0, -1e299), Point(2, 0, math.inf)], "step"),
    ],
)
def test_a_plot_has_the_axis_that_its_points_need(points: list[Point], axis: str) -> None:
    drawn = plots.plot({0: points})
    assert drawn is not None
    svg, shown_axis = drawn
    assert (svg[:4], shown_axis) == ("<svg", axis)
    assert plots.plot({0: points}) == drawn


def test_without_a_finite_value_there_is_no_plot() -> None:
    assert plots.plot({0: [Point(0, 0, math.nan), Point(1, 0, math.inf)]}) is None


def test_a_page_replaces_the_old_one_and_leaves_no_other_file(tracking: Tracking, tmp_path: Path) -> None:
    path, link = tmp_path / "report.html", tmp_path / "link.html"
    path.write_text("old")
    link.symlink_to(path)
    report.write(link, tracking, made_up(["a"]), 1, NOW)
    assert re.match(r"<!doctype html>.*</html>", path.read_text(), re.DOTALL)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.html", "report.html"]
    assert link.is_symlink()


def test_a_failed_write_keeps_the_old_page(tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WorkloadError, match="No space left") as refused:
        report.write(path, tracking, made_up(["a"]), 1, NOW)
    assert refused.value.code == Exit.UNEXPECTED
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.html", "old")]


@pytest.mark.parametrize("path", ["/dev/null", "/nowhere/report.html", "/proc/report.html", "/tmp", "x" * 300])
def test_a_path_that_cannot_be_written_is_refused(tracking: Tracking, path: str) -> None:
    with pytest.raises(WorkloadError, match="cannot be written: ") as refused:
        report.write(Path(path), tracking, made_up(["a"]), 1, NOW)
    assert refused.value.code == Exit.USAGE

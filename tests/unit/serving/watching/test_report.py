"""`report`: pods are added up exactly, degradation is an exit code, and bad sources are refused."""

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts import Exit
from workloads import cli
from workloads.serving.watching.__main__ import main
from workloads.serving.watching.baseline import Baseline
from workloads.serving.watching.settings import Settings
from workloads.serving.watching.watcher import Watcher

HOSTILE = "</td><script>alert(1)</script>{{ 7*7 }}$\\frac{"
TRAINED = pd.DataFrame(
    {"age": np.random.default_rng(0).normal(40, 10, 1000), HOSTILE: ["red", "blue"] * 500, "note": [None] * 1000}
)
BASELINE = Baseline.of(TRAINED)
SERVED = TRAINED.head(300)


def answer(rows: pd.DataFrame, failures: int = 0, seconds: float = 0.02, baseline: Baseline | None = BASELINE) -> str:
    """Return what a pod that saw these rows answers to /watch."""
    watcher = Watcher(baseline, Settings(rows=10_000, share=1.0))
    watcher.observe(rows, seconds, ok=True)
    for _ in range(failures):
        watcher.observe(rows, seconds, ok=False)
    watcher.settle()
    return json.dumps(watcher.summary())


@pytest.fixture
def steady(tmp_path: Path) -> str:
    path = tmp_path / "steady.json"
    path.write_text(answer(SERVED))
    return str(path)


@pytest.fixture
def drifted(tmp_path: Path) -> str:
    path = tmp_path / "drifted.json"
    path.write_text(answer(SERVED.assign(age=10.0)))
    return str(path)


def reported(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any], str]:
    code = main(["report", *argv, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        cli.run(main, ["report", *argv])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return int(end.value.code or 0), err


def test_a_model_that_sees_what_it_was_trained_on_is_fine(capsys: pytest.CaptureFixture[str], steady: str) -> None:
    assert main(["report", steady]) == Exit.OK
    out, err = capsys.readouterr()
    assert "300 samples from 1 source: distributed as in the training" in out
    assert err == ""


def test_drift_is_named_and_an_exit_code(capsys: pytest.CaptureFixture[str], drifted: str) -> None:
    code, report, err = reported(capsys, drifted)
    assert code == Exit.DEGRADED
    assert report["drift"][0]["feature"] == "age"
    assert err.startswith("degraded: 1 of 3 features have drifted: age (PSI ")


def test_failures_and_slow_requests_are_degradations_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "pod.json"
    path.write_text(answer(SERVED, failures=1, seconds=0.7))
    code, report, _ = reported(capsys, str(path), "--max-seconds", "0.5")
    assert (code, report["state"]) == (Exit.DEGRADED, "steady")
    assert report["degraded"] == [
        "1 of 2 requests failed, 50.0%; allowed are 2.0%",
        "95% of the requests took up to 1 s, more than the 0.5 s that are allowed",
    ]
    assert reported(capsys, str(path), "--max-seconds", "1", "--max-error-rate", "0.5")[0] == Exit.OK


def test_the_report_on_two_pods_is_that_on_one_that_saw_everything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = TRAINED.head(120), TRAINED.iloc[120:400].assign(age=55.0)
    for name, rows in {"first": first, "second": second, "whole": pd.concat([first, second])}.items():
        (tmp_path / name).write_text(answer(rows))
    _, both, _ = reported(capsys, str(tmp_path / "first"), str(tmp_path / "second"))
    _, whole, _ = reported(capsys, str(tmp_path / "whole"))
    assert both["drift"] == whole["drift"]
    assert (both["rows"], both["requests"]) == (400, 2)


def test_a_pod_that_answers_twice_counts_once(capsys: pytest.CaptureFixture[str], steady: str) -> None:
    assert reported(capsys, steady, steady)[1]["rows"] == 300


def test_models_with_different_baselines_are_not_added_up(
    capsys: pytest.CaptureFixture[str], steady: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(answer(SERVED, baseline=Baseline.of(TRAINED.head(500))))
    code, line = refused(capsys, steady, str(other))
    assert code == Exit.USAGE
    assert "report on each version by itself" in line


class Pod(http.server.BaseHTTPRequestHandler):
    def __init__(self, content: str, *args: Any) -> None:
        self.content = content
        super().__init__(*args)

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/watch" else 404)
        self.end_headers()
        self.wfile.write(self.content.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


@pytest.fixture
def pod() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Pod, answer(SERVED))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/watch"])
def test_a_model_server_is_asked_by_its_address(capsys: pytest.CaptureFixture[str], pod: str, path: str) -> None:
    assert reported(capsys, f"{pod}{path}")[1]["rows"] == 300


def test_a_server_that_doesn_t_answer_is_named(capsys: pytest.CaptureFixture[str], pod: str) -> None:
    assert refused(capsys, f"{pod}/elsewhere")[1].startswith(f"error: {pod}/elsewhere/watch doesn't answer: 404")
    assert "http://127.0.0.1:1/watch doesn't answer" in refused(capsys, "http://127.0.0.1:1")[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("inputs.csv", SERVED.to_csv(index=False)),
        ("inputs.json", json.dumps(SERVED.to_dict("records"))),
        (
            "inputs.json",
            json.dumps({"dataframe_split": SERVED.to_dict("split", index=False)}),
        ),
        ("inputs.json", json.dumps({"dataframe_records": SERVED.to_dict("records")})),
        ("inputs.json", json.dumps({"inputs": SERVED.to_dict("list")})),
    ],
)
def test_a_file_of_inputs_is_compared_with_a_baseline(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: str
) -> None:
    BASELINE.write(tmp_path / "baseline.json")
    (tmp_path / name).write_text(content)
    code, report, _ = reported(capsys, str(tmp_path / name), "--baseline", str(tmp_path / "baseline.json"))
    assert (code, report["state"], report["rows"]) == (Exit.OK, "steady", 300)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not what a model server answers to /watch"),
        ("{}", "instances Field required"),
        ('{"format": "aegis.watch/9"}', "format Input should be 'aegis.watch/1'"),
    ],
)
def test_another_answer_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "pod.json").write_text(content)
    code, line = refused(capsys, str(tmp_path / "pod.json"))
    assert code == Exit.USAGE
    assert reason in line


def test_counts_that_don_t_fit_the_baseline_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = json.loads(answer(SERVED))
    content["counts"][0].append(1)
    (tmp_path / "pod.json").write_text(json.dumps(content))
    assert "the counts must be those of the baseline's bins" in refused(capsys, str(tmp_path / "pod.json"))[1]


@pytest.mark.parametrize(
    "argv",
    [
        ["nowhere.json"],
        ["steady.json", "--psi", "nan"],
        ["steady.json", "--minimum", "1"],
        ["steady.json", "--max-error-rate", "2"],
        ["steady.json", "--baseline", "nowhere.json"],
        ["steady.json", "--html", "/nowhere/report.html"],
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], steady: str, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.chdir(Path(steady).parent)
    assert refused(capsys, *argv)[0] == Exit.USAGE


def test_the_page_has_a_plot_for_each_feature_and_nothing_of_a_feature_s_name_is_run(
    capsys: pytest.CaptureFixture[str], drifted: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    assert main(["report", drifted, "--html", str(path)]) == Exit.DEGRADED
    text = path.read_text()
    assert text.count("<svg") == 3
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "1 of 3 features have drifted" in text
    assert f"wrote {path}" in capsys.readouterr().err

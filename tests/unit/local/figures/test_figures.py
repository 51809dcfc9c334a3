"""The key figures are those that Prometheus would compute from the metrics of the pods."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import status, watch
from local.cluster import Health
from local.errors import LocalError
from local.figures import source
from local.figures.rows import rows
from local.figures.samples import Period, Samples, parse
from local.processes import State

NOW = 1_800_000_000.0


def samples(at: float, *pods: str) -> Samples:
    values = {key: value for number, text in enumerate(pods) for key, value in parse(f"pod-{number}", text)}
    return Samples(at=at, values=values)


def server(*, ok: int, failed: int, fast: int, slow: int) -> str:
    """Return the metrics of a server's pod."""
    name = "aegis_http_request_duration_seconds"
    return f"""# TYPE aegis_http_requests_total counter
aegis_http_requests_total{{method="GET",route="/a",status="200"}} {ok}
aegis_http_requests_total{{method="GET",route="/a",status="503"}} {failed}
# TYPE {name} histogram
{name}_bucket{{le="0.1",method="GET",route="/a"}} {fast}
{name}_bucket{{le="1.0",method="GET",route="/a"}} {fast + slow}
{name}_bucket{{le="+Inf",method="GET",route="/a"}} {fast + slow}
{name}_count{{method="GET",route="/a"}} {fast + slow}
{name}_sum{{method="GET",route="/a"}} 1
# TYPE aegis_database_pool_connections gauge
aegis_database_pool_connections{{state="used"}} 3
aegis_database_pool_connections{{state="idle"}} 5
"""


EXPORTER = f"""# TYPE aegis_backup_newest_timestamp_seconds gauge
aegis_backup_newest_timestamp_seconds {NOW - 7200}
# TYPE aegis_backup_newest_verified_timestamp_seconds gauge
aegis_backup_newest_verified_timestamp_seconds {NOW - 90000}
# TYPE aegis_registered_models gauge
aegis_registered_models 3
# TYPE aegis_model_versions gauge
aegis_model_versions{{signed="true"}} 12
aegis_model_versions{{signed="false"}} 1
# TYPE aegis_experiments gauge
aegis_experiments 2
# TYPE aegis_runs gauge
aegis_runs{{status="FINISHED"}} 40
aegis_runs{{status="FAILED"}} 2
aegis_runs{{status="KILLED"}} 0
# TYPE aegis_artifact_bytes gauge
aegis_artifact_bytes 1610612736
"""
BEFORE = server(ok=100, failed=0, fast=100, slow=0)
AFTER = server(ok=190, failed=10, fast=190, slow=10)


def test_the_figures_of_a_server_are_summed_over_its_pods() -> None:
    period = Period(before=samples(0, BEFORE, BEFORE), after=samples(10, AFTER, AFTER))
    shown = rows(period, NOW)
    assert shown["Requests"] == "20.0/s"
    assert shown["Errors"] == "10.0 %"
    assert shown["Pool"] == "6 used, 10 idle"


def probes(route: str, count: int) -> str:
    """Return the metrics of a pod that was probed."""
    duration = f'aegis_http_request_duration_seconds_bucket{{le="%s",method="GET",route="{route}"}} {count}'
    return f"""# TYPE aegis_http_requests_total counter
aegis_http_requests_total{{method="GET",route="{route}",status="200"}} {count}
# TYPE aegis_http_request_duration_seconds histogram
{duration % "0.1"}
{duration % "+Inf"}
"""


@pytest.mark.parametrize("route", ["/health", "/ready", "/version"])
def test_probes_are_no_requests(route: str) -> None:
    probed = Period(before=samples(0, BEFORE, probes(route, 0)), after=samples(10, AFTER, probes(route, 10_000)))
    assert rows(probed, NOW) == rows(Period(before=samples(0, BEFORE), after=samples(10, AFTER)), NOW)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    period = Period(before=samples(0, BEFORE), after=samples(10, AFTER))
    # 90 of 100 are below 0.1 s, and 10 between 0.1 and 1 s: the 95th is in the middle of these.
    assert math.isclose(period.quantile(0.95, "aegis_http_request_duration_seconds") or 0, 0.55)


def test_a_quantile_above_the_last_bound_is_that_bound() -> None:
    text = """# TYPE t histogram
t_bucket{le="1.0"} 0
t_bucket{le="+Inf"} %d
t_count 1
t_sum 1
"""
    assert Period(before=samples(0, text % 0), after=samples(1, text % 5)).quantile(0.95, "t") == 1.0


def test_a_restarted_pod_counts_from_0() -> None:
    period = Period(before=samples(0, AFTER), after=samples(10, server(ok=20, failed=0, fast=20, slow=0)))
    assert rows(period, NOW)["Requests"] == "2.0/s"


def test_a_pod_that_is_new_counts_from_its_second_turn_on() -> None:
    period = Period(before=samples(0, BEFORE), after=samples(10, BEFORE, AFTER))
    assert rows(period, NOW)["Requests"] == "0.0/s"


def test_the_first_requests_of_a_pod_that_is_not_new_count() -> None:
    before = "# TYPE aegis_http_requests_in_progress gauge\naegis_http_requests_in_progress 0\n"
    period = Period(before=samples(0, before), after=samples(10, server(ok=90, failed=10, fast=90, slow=10)))
    shown = rows(period, NOW)
    assert (shown["Requests"], shown["Errors"], shown["Slowest 5 %"]) == ("10.0/s", "10.0 %", "0.55 s")


def test_the_figures_of_the_exporter() -> None:
    now = samples(1, EXPORTER)
    shown = rows(Period(before=now, after=now), NOW)
    assert shown["Backup"] == "2.0 h ago, verified 25.0 h ago"
    assert shown["Models"] == "3, 12 versions signed, 1 not"
    assert shown["Runs"] == "2 failed, 40 finished in 2 experiments"
    assert shown["Artifacts"] == "1.5 GiB"


def test_a_figure_without_metrics_is_a_dash() -> None:
    nothing = samples(0)
    assert set(rows(Period(before=nothing, after=nothing), NOW).values()) == {"-"}


KUBECTL = """#!/usr/bin/env python3
import json, sys
def pod(name, *ports):
    metadata = {"namespace": "mlflow", "name": name}
    return {"metadata": metadata, "spec": {"containers": [{"ports": list(ports)}]}}
metrics = {"name": "metrics", "containerPort": 9464}
if "pods" in sys.argv:
    print(json.dumps({"items": [pod("mlflow-1", metrics), pod("mlflow-2", metrics), pod("s3-0", {"name": "s3"})]}))
elif "--raw=/api/v1/namespaces/mlflow/pods/mlflow-1:9464/proxy/metrics" in sys.argv:
    print("# TYPE up gauge\\nup 1")
else:
    sys.exit("error: the pod doesn't answer")
"""


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    return {"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])}


def test_each_pod_with_metrics_is_read_and_a_silent_one_left_out(tools: dict[str, str]) -> None:
    read = source.read(tools, None)
    assert [(key.name, value) for key, value in read.values.items()] == [("up", 1.0)]


def test_a_cluster_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(LocalError, match="The cluster doesn't answer"):
        source.read({"PATH": str(tmp_path)}, None)


def test_kubectl_is_not_asked_about_a_cluster_that_was_never_started(tools: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="The cluster was not started"):
        source.read(tools | {"KUBECONFIG": str(tmp_path / "kubeconfig")}, None)


CROWD = """#!/bin/sh
folder=$(dirname "$0")
case "$*" in *pods\\ --all*) cat "$folder/pods.json"; exit;; esac
touch "$folder/asks.$$"
ls "$folder"/asks.* | wc -l >> "$folder/counts"
sleep 0.2
rm "$folder/asks.$$"
"""


def test_many_pods_are_asked_a_few_at_a_time(tmp_path: Path) -> None:
    pods = [
        {
            "metadata": {"namespace": "mlflow", "name": f"mlflow-{number}"},
            "spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 9464}]}]},
        }
        for number in range(24)
    ]
    (tmp_path / "pods.json").write_text(json.dumps({"items": pods}))
    (tmp_path / "kubectl").write_text(CROWD)
    (tmp_path / "kubectl").chmod(0o755)
    source.read({"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])}, None)
    counts = [int(count) for count in (tmp_path / "counts").read_text().split()]
    assert len(counts) == len(pods)
    assert max(counts) <= 8


def health(name: str, trouble: str | None = None) -> Health:
    return Health(name=name, state=State.RUNNING, pid=1, addresses=(), trouble=trouble)


def shown(parts: Any, read: Any) -> str:
    console = Console(width=100, highlight=False)
    with console.capture() as captured:
        assert watch.watch(parts, read, seconds=0, console=console, turns=2) == 0
    return captured.get()


def test_a_pipe_gets_one_block_after_another() -> None:
    turns = iter([samples(0, BEFORE, EXPORTER), samples(10, AFTER, EXPORTER)])
    text = shown(lambda: [health("etcd")], lambda: next(turns))
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Requests")] == ["-", "10.0/s"]
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Trouble")] == ["none", "none"]


def test_parts_in_trouble_are_named() -> None:
    text = shown(lambda: [health("etcd"), health("vault", "0 of 1 replicas ready")], lambda: samples(0))
    assert "vault: 0 of 1 replicas ready" in text
    assert "etcd" not in text


def test_a_cluster_that_goes_away_is_trouble_and_the_watch_goes_on() -> None:
    def dead() -> Samples:
        raise LocalError("The cluster doesn't answer.")

    assert shown(list, dead).count("cluster: The cluster doesn't answer.") == 2


@pytest.mark.parametrize("options", [["--watch", "1"], ["--watch", "nan"], ["--watch", "inf"], ["--watch", "--json"]])
def test_too_often_no_number_and_json_are_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        status.main(options)
    assert refused.value.code == 2
    assert "--watch" in capsys.readouterr().err

"""The gateway as a process: it stops without failing a request."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support import gateways
from tests.support.gateways import StandIn


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stopping_gateway_fails_its_readiness_first_and_answers_what_is_in_flight(
    tmp_path: Path, workers: str
) -> None:
    port = gateways.free_port()
    url = f"http://127.0.0.1:{port}"
    mlflow = StandIn(delay=0)
    with gateways.serving(mlflow) as upstream, (tmp_path / "log").open("wb") as log, ThreadPoolExecutor(1) as pool:
        environment = os.environ | {"MLFLOW_TRACKING_URI": upstream, "AEGIS_GATEWAY_DRAIN_SECONDS": "1.5"}
        environment["AEGIS_GATEWAY_DEADLINE_SECONDS"] = "10"
        command = [sys.executable, "-m", "workloads.gateway", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen([*command, "--workers", workers], env=environment, stdout=log, stderr=log)
        try:
            gateways.wait_for(f"{url}/api/mlflow", process, tmp_path / "log")
            mlflow.delay = 4
            slow = pool.submit(httpx.get, f"{url}/api/mlflow/runs/r", timeout=20)
            gateways.until(lambda: any(path.endswith("runs/get") for _, path, _ in mlflow.asked))
            process.send_signal(signal.SIGTERM)
            gateways.until(lambda: httpx.get(f"{url}/readyz").status_code == 503, 1.4)
            stopped = time.monotonic()
            assert slow.result().status_code == 200
            assert process.wait(20) == 0
            assert time.monotonic() - stopped < 10
        finally:
            process.kill()


def test_a_wrong_option_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "workloads.gateway", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("'0' is not a port from 1 to 65535")


def test_a_missing_address_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "workloads.gateway"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: MLFLOW_TRACKING_URI is not set")
    assert len(done.stderr.splitlines()) == 1

"""How the tracking server's process ends. Here a function stands for MLflow's command."""

import json
import os
import subprocess
import sys

import pytest

from contracts import Exit
from tests.support.gated_server import ROOT

STOPPED = "signal.signal(signal.{0}, lambda *_: None); os.kill(os.getpid(), signal.{0}); sys.exit(0)"
PROGRAM = """
import os, signal, sys
import workloads.tracking.__main__ as server
from workloads import cli

def mlflow(arguments):
    {command}

server.mlflow = mlflow
server.port.serve = lambda *_: None
cli.run(server.main, [])
"""


def ended(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(command=command)],
        cwd=ROOT,
        env={**os.environ, "AEGIS_LOGS": "json"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_server_that_is_told_to_stop_has_not_failed_and_is_no_job(signal: str) -> None:
    server = ended(STOPPED.format(signal))
    assert (server.returncode, server.stderr) == (Exit.OK, "")


@pytest.mark.parametrize("command", ["pass", "sys.exit(0)"])
def test_a_server_that_ends_by_itself_has_failed(command: str) -> None:
    server = ended(command)
    line = json.loads(server.stderr)
    assert (line["logger"], line["level"], line["status"]) == ("aegis.server", "error", Exit.UNEXPECTED)
    assert line["message"] == "The server ended, and nobody told it to."
    assert server.returncode == Exit.UNEXPECTED


def test_an_error_of_mlflow_s_command_is_its_exit_code() -> None:
    assert ended("sys.exit(3)").returncode == 3

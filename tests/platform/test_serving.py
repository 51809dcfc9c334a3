"""Served models on the platform: both protocols, and rollouts and outages that fail no prediction."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

import contracts
from contracts import Exit
from tests.platform.gated_platform import running, stopped, without_mlflow
from tests.platform.kubectl import Kubectl, eventually
from tests.platform.served_model import PREDICT, Served, load, served_model

MOVES = 50
# In seconds: what is served must equal what is wanted so soon after the last move.
SERVED_WITHIN = 30
# Clients at a time, and the seconds in which each must have its answer, while MLflow gives none.
CLIENTS = 40
ANSWERED_WITHIN = 3
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)
    print("reached")
except OSError as error:
    print("not reached:", error)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_model(running(), tmp_path_factory.mktemp("serving")) as served:
        served.serve_the_champion()
        yield served


def test_the_champion_answers_by_the_gateway_and_by_both_protocols(served: Served) -> None:
    assert served.answers(1.5)
    answer = json.loads(
        served.in_the_server(PREDICT, "http://127.0.0.1:8080/invocations", json.dumps({"inputs": [1.0]}))
    )
    assert answer == {"predictions": [pytest.approx(1.5, abs=1e-5)]}
    tensor = {"name": "input", "shape": [1], "datatype": "FP64", "data": [1.0]}
    infer = f"http://127.0.0.1:8080/v2/models/{served.name}/infer"
    [output] = json.loads(served.in_the_server(PREDICT, infer, json.dumps({"inputs": [tensor]})))["outputs"]
    assert output["data"] == [pytest.approx(1.5, abs=1e-5)]


def test_a_model_server_reaches_nothing(served: Served) -> None:
    for namespace, service, port in (contracts.SERVERS["mlflow"], contracts.SERVERS["vault"]):
        address = Kubectl(namespace).json("get", "service", service)["spec"]["clusterIP"]
        assert served.in_the_server(CONNECT, address, str(port)).startswith("not reached")


def test_a_champion_that_moves_under_load_fails_no_prediction(served: Served) -> None:
    served.serve_the_champion()
    with load(served) as seen:
        for number in range(MOVES):
            served.move(served.first if number % 2 else served.second)
            time.sleep(0.3)
        served.move(served.second)
        began = time.monotonic()
        eventually(lambda: served.answers(1.75) or None, seconds=120)
        took = time.monotonic() - began
    print(f"{seen.statuses.total()} predictions: {dict(seen.statuses)}; served after {took:.1f} s")
    assert set(seen.statuses) == {200}
    assert took <= SERVED_WITHIN


def test_a_canary_that_fails_is_taken_back_by_itself(served: Served) -> None:
    served.move(served.second)
    served.serve_the_champion("--canary-percent", "50", "--canary-seconds", "30")
    faulty = served.platform.release("0.95", served.folder, faulty=True)
    with load(served) as seen:
        served.move(faulty)
        failed = served.until("failed", faulty, seconds=180)
    print(f"{dict(seen.statuses)}: {failed['reason']}")
    assert str(failed["served_version"]) == str(served.second.version)
    assert "requests failed" in failed["reason"]
    assert served.answers(1.75)
    code, printed = served.command("history", served.name)
    assert code == Exit.OK, printed
    assert "rollback" in printed


def test_without_mlflow_predictions_go_on_and_other_requests_are_told_to_come_again(served: Served) -> None:
    served.move(served.second)
    served.serve_the_champion()
    assert served.answers(1.75)
    for outage in (without_mlflow, stopped):
        with load(served) as seen, outage():
            answers = ask_at_once(served)
        print(f"{outage.__name__}: {dict(seen.statuses)}, {max(seconds for *_, seconds in answers):.1f} s at most")
        assert {(status, retry is not None) for status, retry, _ in answers} == {(503, True)}
        assert max(seconds for *_, seconds in answers) <= ANSWERED_WITHIN
        assert set(seen.statuses) == {200}
        eventually(lambda: ask(served)[0] == 200 or None, seconds=120)


def ask(served: Served) -> tuple[int, str | None, float]:
    """Ask the gateway for experiments; return the status, what Retry-After says, and the seconds that it took."""
    began = time.monotonic()
    url = f"{served.platform.variables[contracts.GATEWAY_URL_ENV]}/api/mlflow/experiments"
    answer = requests.get(url, timeout=60)
    return answer.status_code, answer.headers.get("retry-after"), time.monotonic() - began


def ask_at_once(served: Served) -> list[tuple[int, str | None, float]]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda _: ask(served), range(CLIENTS)))

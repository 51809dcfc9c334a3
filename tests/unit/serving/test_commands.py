"""The commands about served models, on a Kubernetes in memory."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from aegis.errors import NotVerifiedError
from contracts import Exit
from tests.support.fake_kubernetes import FakeKubernetes
from workloads.cli import WorkloadError
from workloads.serving import cli_options, waiting
from workloads.serving.__main__ import main
from workloads.serving.kubernetes import Serving
from workloads.serving.rollout import names
from workloads.serving.waiting import Asked
from workloads.serving.wanted import Canary, Wanted

Told = Callable[..., None]


@pytest.fixture
def kubernetes(monkeypatch: pytest.MonkeyPatch) -> FakeKubernetes:
    """A cluster in which a reconciler runs."""
    kubernetes = FakeKubernetes()
    serving = Serving(client=kubernetes.blocking_client(), namespace="serving")
    monkeypatch.setattr(cli_options, "serving", lambda: serving)
    monkeypatch.setattr(waiting, "_POLL", 0)
    now = datetime.now(UTC).isoformat()
    kubernetes.put(
        "leases", {"metadata": {"name": "serving-reconciler"}, "spec": {"holderIdentity": "a", "renewTime": now}}
    )
    return kubernetes


@pytest.fixture
def told(kubernetes: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Set what the reconciler tells of digits, and remembers."""

    def tell(memory: dict[str, Any] | None = None, **status: Any) -> None:
        status = {
            "model": "digits", "wanted": "digits@champion", "wanted_version": "2", "served_version": "2",
            "state": "serving", "reason": "", "ready": 2, "replicas": 2, "request": "r",
            "service": "http://digits.serving.svc:8080", "verified": True,
        } | status  # fmt: skip
        data = {"status.json": json.dumps(status), "memory.json": json.dumps(memory or {})}
        kubernetes.put(
            "configmaps",
            {"metadata": {"name": names.state("digits"), "labels": {"aegis.serving/state": "true"}}, "data": data},
        )

    monkeypatch.setattr(Serving, "want", _known(Serving.want))
    return tell


def _known(want: Callable[..., str]) -> Callable[..., str]:
    """Return `Serving.want` with a mark that the tests know."""

    def wrapped(*args: Any, **options: Any) -> str:
        want(*args, **options)
        return "r"

    return wrapped


def wanted(kubernetes: FakeKubernetes) -> dict[str, Any]:
    return json.loads(kubernetes.of("configmaps")["digits-wanted"]["data"]["wanted.json"])


def test_deploy_asks_for_the_champion_and_says_where_it_answers(
    kubernetes: FakeKubernetes, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    told()
    assert main(["deploy", "digits"]) == Exit.OK
    assert wanted(kubernetes) == Wanted(model="digits", alias="champion").to_json()
    assert capsys.readouterr().out == "digits version 2 is served at http://digits.serving.svc:8080\n"


def test_deploy_asks_for_what_its_options_say(kubernetes: FakeKubernetes) -> None:
    options = ["--replicas", "1", "--cpu", "2", "--memory", "2Gi", "--canary-percent", "20", "--canary-seconds", "60"]
    assert main(["deploy", "digits/3", *options, "--no-wait"]) == Exit.OK
    found = Wanted.from_json(wanted(kubernetes))
    assert (found.version, found.replicas, found.resources.cpu) == ("3", 1, "2")
    assert found.canary == Canary(percent=20, seconds=60)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ({"state": "refused", "reason": "it is not signed"}, NotVerifiedError, None),
        ({"state": "failed", "reason": "its servers crash"}, WorkloadError, Exit.REFUSED),
        ({"state": "rolling", "reason": "1 of 2 servers are ready"}, WorkloadError, Exit.UNEXPECTED),
    ],
)
def test_deploy_says_why_a_version_is_not_served(
    told: Told, status: dict[str, str], error: type[Exception], code: Exit | None
) -> None:
    told(**status)
    with pytest.raises(error, match=rf"digits@champion is not served.*{status['reason']}") as failure:
        main(["deploy", "digits", "--timeout", "0"])
    assert getattr(failure.value, "code", None) == code


def test_deploy_fails_for_a_version_that_is_served_on_but_does_not_verify_any_more(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    told(verified=False, reason="it is served on, but would not be served again: its key was revoked")
    with pytest.raises(NotVerifiedError, match=r"digits@champion does not verify: it is served on.*was revoked"):
        main(["deploy", "digits"])
    assert capsys.readouterr().out == ""


def test_deploy_does_not_wait_long_for_a_version_that_mlflow_lacks(kubernetes: FakeKubernetes, told: Told) -> None:
    told(state="waiting", reason="digits has no version with the alias champion")
    seconds = iter(range(1000))
    serving = cli_options.serving()
    asked = Asked(model="digits", what="digits@champion", since=lambda status: status["request"] == "r")
    with pytest.raises(WorkloadError, match="has no version with the alias champion") as failure:
        waiting.wait(serving, asked, 600, clock=lambda: float(next(seconds)), sleep=lambda _: None)
    assert failure.value.code == Exit.MLFLOW


@pytest.mark.parametrize("reason", ["the record of the step `start` is not written yet", "its delivery failed once"])
def test_deploy_waits_on_for_what_is_not_mlflow(kubernetes: FakeKubernetes, told: Told, reason: str) -> None:
    told(state="waiting", reason=reason)
    seconds = iter(range(1000))
    asked = Asked(model="digits", what="digits@champion", since=lambda _: True)
    with pytest.raises(WorkloadError, match=f"after 600 s: waiting, {reason}") as failure:
        waiting.wait(cli_options.serving(), asked, 600, clock=lambda: float(next(seconds)), sleep=lambda _: None)
    assert failure.value.code == Exit.UNEXPECTED


def test_deploy_says_at_first_that_the_reconciler_has_not_looked_yet(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    told(request="before")
    with pytest.raises(WorkloadError, match="the reconciler hasn't looked yet"):
        main(["deploy", "digits", "--timeout", "0"])


@pytest.mark.parametrize(
    ("percent", "replicas", "said"),
    [(34, 1, "with 1 server, the canary gets 50 % of the requests, not 34 %\n"), (33, 2, ""), (0, 1, "")],
)
def test_deploy_says_the_real_share_of_a_canary(
    kubernetes: FakeKubernetes, capsys: pytest.CaptureFixture[str], percent: int, replicas: int, said: str
) -> None:
    options = ["--canary-percent", str(percent), "--replicas", str(replicas), "--no-wait"]
    assert main(["deploy", "digits", *options]) == Exit.OK
    assert capsys.readouterr().err == said


def test_deploy_says_that_no_reconciler_runs(kubernetes: FakeKubernetes) -> None:
    del kubernetes.objects["leases", "serving-reconciler"]
    with pytest.raises(WorkloadError, match="no reconciler runs in the namespace serving"):
        main(["deploy", "digits"])


def test_deploy_leaves_what_the_stack_declares(kubernetes: FakeKubernetes) -> None:
    labels = {"aegis.serving/wanted": "true", "aegis.serving/source": "stack"}
    data = {"wanted.json": '{"model": "digits"}'}
    kubernetes.put("configmaps", {"metadata": {"name": "stack-digits", "labels": labels}, "data": data})
    for command in ("deploy", "remove"):
        with pytest.raises(WorkloadError, match="the stack declares digits") as failure:
            main([command, "digits"])
        assert failure.value.code == Exit.REFUSED


@pytest.mark.parametrize("model", ["", "a/b/c", "digits@", "digits/x", "digits@v1", "models:/digits/1"])
def test_deploy_refuses_what_names_no_version(kubernetes: FakeKubernetes, model: str) -> None:
    with pytest.raises(WorkloadError) as failure:
        main(["deploy", model])
    assert failure.value.code == Exit.USAGE
    assert kubernetes.writes == []


def test_deploy_ends_a_rollback_by_hand(kubernetes: FakeKubernetes, told: Told) -> None:
    told(memory={"served": "2", "previous": "1", "wanted": {"alias": "champion"}})
    assert main(["rollback", "digits", "--no-wait"]) == Exit.OK
    assert kubernetes.of("configmaps")["digits-hold"]["data"] == {"model": "digits", "from": "2", "to": "1"}
    assert main(["deploy", "digits"]) == Exit.OK
    assert "digits-hold" not in kubernetes.of("configmaps")


def test_rollback_waits_until_the_version_before_is_served(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(memory={"served": "2", "previous": "1"})
    steps = iter(
        (
            {"wanted_version": "1", "held_from": "2", "state": "rolling", "reason": "0 of 2 servers are ready"},
            {"wanted_version": "1", "held_from": "2", "served_version": "1"},
        )
    )
    monkeypatch.setattr(waiting, "wait", partial(waiting.wait, sleep=lambda _: told(**next(steps))))
    assert main(["rollback", "digits"]) == Exit.OK
    said = capsys.readouterr()
    assert said.err.splitlines() == ["waiting: the reconciler hasn't looked yet", "rolling: 0 of 2 servers are ready"]
    assert "version 1 of digits is served instead of 2. digits@champion still names 2: move it" in said.out


def test_rollback_says_why_the_version_before_is_not_served(told: Told) -> None:
    held = {"wanted_version": "1", "held_from": "2", "served_version": "2"}
    told(memory={"served": "2", "previous": "1"}, state="failed", reason="its servers crash", **held)
    with pytest.raises(WorkloadError, match="version 1 of digits is not served: its servers crash") as failure:
        main(["rollback", "digits"])
    assert failure.value.code == Exit.REFUSED


def test_rollback_without_waiting_says_so(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told(memory={"served": "2", "previous": "1"})
    assert main(["rollback", "digits", "--no-wait"]) == Exit.OK
    assert "version 1 of digits is being brought back instead of 2. digits@champion still" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("memory", "status", "held"),
    [
        # A rollout of version 3 runs, or has failed, or version 3 was taken back already.
        ({"served": "2", "previous": "1", "target": "3"}, {"wanted_version": "3"}, ("3", "2")),
        ({"served": "1", "previous": None, "target": "2"}, {"wanted_version": "2", "served_version": "1"}, ("2", "1")),
        ({"served": "2", "previous": "1"}, {"wanted_version": "3", "state": "failed"}, ("3", "1")),
        ({"served": "2", "previous": "1"}, {"wanted_version": "2", "held_from": "3"}, ("3", "1")),
        ({"served": "3", "previous": "2", "target": "1"}, {"wanted_version": "1", "held_from": "3"}, ("3", "2")),
    ],
)
def test_rollback_holds_what_is_wanted(
    kubernetes: FakeKubernetes, told: Told, memory: dict[str, Any], status: dict[str, Any], held: tuple[str, str]
) -> None:
    told(memory=memory, **status)
    assert main(["rollback", "digits", "--no-wait"]) == Exit.OK
    data = kubernetes.of("configmaps")["digits-hold"]["data"]
    assert (data["from"], data["to"]) == held


@pytest.mark.parametrize(
    ("memory", "status"),
    [
        ({}, {}),
        ({"served": "1", "previous": None}, {}),
        ({"served": None, "target": "2"}, {"served_version": None}),
        ({"served": "1", "previous": "2"}, {"wanted_version": "1", "held_from": "2"}),
    ],
)
def test_rollback_without_a_version_before_says_what_else_to_do(
    kubernetes: FakeKubernetes, told: Told, memory: dict[str, Any], status: dict[str, Any]
) -> None:
    told(memory=memory, **status)
    with pytest.raises(WorkloadError, match="nothing to go back to") as failure:
        main(["rollback", "digits"])
    assert failure.value.code == Exit.REFUSED
    for command in ("serving deploy digits/VERSION", "registry rollback digits", "serving remove digits"):
        assert f"python -m workloads.{command}" in str(failure.value)
    assert "digits-hold" not in kubernetes.of("configmaps")


def test_rollback_to_what_is_named_is_no_rollback(told: Told) -> None:
    told(memory={"served": "2", "previous": "1"})
    with pytest.raises(WorkloadError, match="digits@champion names version 2"):
        main(["rollback", "digits", "--to-version", "2"])


def test_remove_withdraws_what_deploy_asked_for(kubernetes: FakeKubernetes) -> None:
    main(["deploy", "digits", "--no-wait"])
    assert main(["remove", "digits"]) == Exit.OK
    assert kubernetes.of("configmaps") == {}
    with pytest.raises(WorkloadError, match="nobody asked for digits by the command line"):
        main(["remove", "digits"])


def test_status_shows_what_is_served(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told(reason="canary: 12 requests")
    assert main(["status"]) == Exit.OK
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["model", "wanted", "wanted_version", "served_version"]
    assert row.split()[:5] == ["digits", "digits@champion", "2", "2", "serving"]


@pytest.mark.parametrize("text", ["{", "[]", "[" * 50_000, '{"model": "other"}'])
def test_a_status_that_cannot_be_read_hides_no_other(
    kubernetes: FakeKubernetes, told: Told, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    told()
    labels = {"aegis.serving/state": "true"}
    bad = {"metadata": {"name": names.state("other"), "labels": labels}, "data": {"status.json": text}}
    kubernetes.put("configmaps", bad)
    assert main(["status", "--json"]) == Exit.OK
    said = capsys.readouterr()
    assert [each["model"] for each in json.loads(said.out)["models"]] == ["digits"]
    assert said.err.startswith(f"warning: the ConfigMap {names.state('other')} can't be read: status.json ")
    assert main(["status", "digits"]) == main(["deploy", "digits"]) == Exit.OK
    assert capsys.readouterr().err == ""
    with pytest.raises(WorkloadError, match=f"the ConfigMap {names.state('other')} can't be read"):
        main(["status", "other"])


def test_deploy_waits_until_a_status_that_cannot_be_read_is_told_anew(
    kubernetes: FakeKubernetes, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told()
    kubernetes.objects["configmaps", names.state("digits")]["data"]["status.json"] = "{"
    monkeypatch.setattr(waiting, "wait", partial(waiting.wait, sleep=lambda _: told()))
    assert main(["deploy", "digits"]) == Exit.OK


def test_status_of_an_unknown_model_fails(kubernetes: FakeKubernetes) -> None:
    with pytest.raises(WorkloadError, match="nobody asked for it"):
        main(["status", "digits"])


def test_a_dry_run_changes_nothing(kubernetes: FakeKubernetes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "digits", "--dry-run"]) == Exit.OK
    assert capsys.readouterr().out == "would ask to serve digits@champion\n"
    assert kubernetes.of("configmaps") == {}


def test_a_dead_cluster_is_one_line(kubernetes: FakeKubernetes) -> None:
    kubernetes.refuse = True
    with pytest.raises(WorkloadError, match="the cluster does not answer: connection refused"):
        main(["status"])

"""The reconciler as a whole: MLflow's aliases in, Kubernetes objects and signed records out."""

import json

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.entities import PagedList

from contracts import Exit
from tests.support.reconciled import Platform, memory_of
from workloads.cli import WorkloadError
from workloads.release.folder import Folder
from workloads.serving.rollout import names
from workloads.serving.wanted import Canary, Wanted


def champion(platform: Platform, **changes: object) -> Wanted:
    return Wanted(model=platform.model.name, alias="champion", **changes)  # type: ignore[arg-type]


@pytest.fixture
def serving(platform: Platform) -> Platform:
    """The stack's model, whose first version answers."""
    platform.want(champion(platform))
    platform.until("1")
    return platform


def test_a_wanted_model_is_delivered_started_and_reached_by_its_service(platform: Platform) -> None:
    platform.want(champion(platform))
    platform.until("1")
    name = platform.model.name
    assert set(platform.kubernetes.of("deployments")) == {f"{name}-v1"}
    assert set(platform.kubernetes.of("persistentvolumeclaims")) == {f"model-{name}-v1"}
    assert set(platform.kubernetes.of("jobs")) == {f"deliver-{name}-v1"}
    assert platform.steps() == ["start 1", "promote 1"]
    status = platform.status()
    assert (status["served_version"], status["state"], status["ready"]) == ("1", "serving", 2)
    assert status["service"] == f"http://{name}.serving.svc:8080"


def test_the_champion_that_moved_takes_over(serving: Platform) -> None:
    serving.model.move("champion", "2")
    serving.until("2")
    assert serving.steps() == ["start 1", "promote 1", "start 2", "promote 2"]
    assert 'result="promoted"} 2.0' in serving.metrics()


def test_served_is_wanted_soon_after_fifty_moves(serving: Platform) -> None:
    for number in range(50):
        serving.model.move("champion", "12"[number % 2])
        serving.turn(seconds=0.5)
        assert serving.kubernetes.of("deployments")[f"{serving.model.name}-v{serving.route()}"]["status"]
    moved = serving.now
    serving.until("2")
    assert serving.now - moved <= 30


def test_many_hints_cost_no_more_than_one(serving: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    look = serving.reconciler.registry.look
    monkeypatch.setattr(serving.reconciler.registry, "look", lambda each: asked.append(serving.now) or look(each))
    serving.turn(seconds=0.1)
    begun = serving.now
    for _ in range(9):
        for _ in range(100):
            serving.reconciler.hint()
        serving.turn(seconds=0.1)
    assert [each for each in asked if each >= begun] == [begun]


def test_a_hint_a_second_after_another_is_followed_at_once(serving: Platform) -> None:
    serving.turn(seconds=0.1)
    for _ in range(2):
        serving.reconciler.wake.clear()
        serving.reconciler.hint()
        assert serving.reconciler.wake.is_set()
        serving.now += 1.5


def test_an_unsigned_version_is_never_delivered(serving: Platform) -> None:
    number = serving.model.add(signed=False)
    serving.model.move("champion", number)
    serving.turns(20)
    assert serving.route() == "1"
    assert serving.status()["state"] == "refused"
    assert "is NOT verified: it is not signed" in serving.status()["reason"]
    assert f"model-{serving.model.name}-v{number}" not in serving.kubernetes.of("persistentvolumeclaims")
    assert serving.steps()[-1] == f"refuse {number}"


def test_files_that_were_changed_after_signing_are_refused_by_their_size(serving: Platform) -> None:
    (serving.model.files("2") / "weights.bin").write_bytes(b"evil")
    serving.model.move("champion", "2")
    serving.turns(10)
    assert serving.route() == "1"
    assert serving.status()["state"] == "refused"


def test_files_that_the_delivery_finds_changed_are_refused(serving: Platform) -> None:
    serving.kubernetes.altered = {"2"}
    serving.model.move("champion", "2")
    serving.turns(10)
    assert serving.route() == "1"
    assert (serving.status()["state"], serving.status()["reason"]) == ("refused", "weights.bin was changed")


def test_a_revoked_key_keeps_what_is_served_and_says_so(serving: Platform) -> None:
    serving.model.signer.rotate()
    serving.trusted[:] = [serving.model.signer.public_key(2)]
    serving.turns(3)
    assert serving.route() == "1"
    assert not serving.status()["verified"]
    assert f'aegis_serving_unverified{{model="{serving.model.name}"}} 1.0' in serving.metrics()


def test_records_go_on_with_the_new_key_after_the_old_one_was_revoked(serving: Platform) -> None:
    serving.model.signer.rotate()
    serving.trusted[:] = [serving.model.signer.public_key(2)]
    serving.model.move("champion", serving.model.add())
    serving.until("3")
    assert serving.steps() == ["start 1", "promote 1", "start 3", "promote 3"]


def test_errors_of_a_canary_take_it_back_by_themselves(serving: Platform) -> None:
    serving.want(champion(serving, canary=Canary(percent=20, seconds=10)))
    serving.errors = {"2": 0.5}
    serving.model.move("champion", "2")
    serving.turns(20)
    assert serving.route() == "1"
    assert serving.status()["state"] == "failed"
    assert serving.steps()[-1] == "rollback 2"
    assert 'result="rolled_back"} 1.0' in serving.metrics()


def test_a_good_canary_gets_everything_in_the_end(serving: Platform) -> None:
    serving.want(champion(serving, canary=Canary(percent=20, seconds=10)))
    serving.model.move("champion", "2")
    seen = set()
    for _ in range(20):
        serving.turn()
        seen.add(serving.route())
    assert seen == {"1", "canary", "2"}


def test_servers_are_removed_with_the_demand(serving: Platform) -> None:
    serving.unwant()
    serving.turns(5)
    kinds = ("services", "deployments", "jobs", "persistentvolumeclaims", "poddisruptionbudgets", "configmaps")
    assert [kind for kind in kinds if serving.kubernetes.of(kind)] == []
    assert serving.steps()[-1] == "remove 1"
    assert serving.reconciler.statuses == {}


def test_another_process_goes_on_in_the_middle_of_a_rollout(serving: Platform) -> None:
    serving.kubernetes.unready = {"2"}
    serving.model.move("champion", "2")
    serving.turns(5)
    serving.restart()
    serving.kubernetes.unready = set()
    serving.until("2")
    assert serving.steps() == ["start 1", "promote 1", "start 2", "promote 2"]


def test_a_process_without_the_lease_changes_nothing_and_tells_what_is_served(serving: Platform) -> None:
    serving.leads = False
    serving.restart()
    serving.kubernetes.writes.clear()
    serving.model.move("champion", "2")
    serving.turns(10)
    assert serving.kubernetes.writes == []
    assert serving.status()["served_version"] == "1"


def test_everything_serves_on_while_mlflow_is_down(serving: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: object) -> None:
        raise WorkloadError("MLflow does not answer", Exit.MLFLOW)

    monkeypatch.setattr(serving.reconciler.registry, "look", dead)
    serving.turns(100)
    assert serving.route() == "1"
    assert serving.status()["state"] == "waiting"
    assert "MLflow can't be asked: MLflow does not answer" in serving.status()["reason"]


def test_a_model_of_a_tag_serves_on_if_mlflow_is_down_when_the_process_starts(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.model.tracking.client.set_registered_model_tag(
        platform.model.name, "aegis.serving", champion(platform).to_text()
    )
    platform.until("1")
    assert platform.status()["source"] == "tag"
    platform.restart()
    monkeypatch.setattr(platform.reconciler.registry, "look", lambda _: 1 / 0)
    platform.turns(30)
    assert platform.route() == "1"


def test_a_tag_about_another_model_serves_nothing(platform: Platform) -> None:
    platform.model.tracking.client.set_registered_model_tag(
        platform.model.name, "aegis.serving", '{"model": "another"}'
    )
    platform.turns(5)
    assert platform.kubernetes.of("jobs") == {}


def test_the_stack_wins_over_the_command_line_and_that_over_the_tag(platform: Platform) -> None:
    platform.model.tracking.client.set_registered_model_tag(
        platform.model.name, "aegis.serving", champion(platform, replicas=5).to_text()
    )
    platform.want(champion(platform, replicas=3), source="cli")
    platform.until("1")
    assert (platform.status()["source"], platform.status()["replicas"]) == ("cli", 3)
    platform.want(champion(platform, replicas=1))
    platform.turns(3)
    assert (platform.status()["source"], platform.status()["replicas"]) == ("stack", 1)


def test_two_models_whose_names_give_the_same_label_stay_apart(platform: Platform) -> None:
    other = platform.model.name.replace("-", "_")
    platform.want(champion(platform))
    platform.want(Wanted(model=other, version="1"))
    platform.until("1")
    assert names.label(other) != names.label(platform.model.name)
    assert platform.reconciler.statuses[names.state(other)]["state"] == "waiting"


@pytest.fixture
def clashing(serving: Platform, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of another model whose label is that of the one that is served."""
    other, label = "another", names.label
    monkeypatch.setattr(names, "label", lambda model: label(serving.model.name if model == other else model))
    return other


def test_a_model_whose_label_is_anothers_is_refused_and_the_first_one_stays(serving: Platform, clashing: str) -> None:
    other = Wanted(model=clashing, version="1")
    wanted = {"wanted.json": other.to_text()}
    labels = {"aegis.serving/wanted": "true", "aegis.serving/source": "cli"}
    serving.kubernetes.put("configmaps", {"metadata": {"name": "cli-another", "labels": labels}, "data": wanted})
    before = serving.kubernetes.of("deployments")
    serving.turns(5)
    told = serving.reconciler.statuses[names.state(clashing)]
    assert (told["state"], told["served_version"], told["verified"]) == ("refused", None, False)
    assert repr(serving.model.name) in told["reason"]
    del serving.kubernetes.objects["configmaps", "cli-another"]
    serving.turns(5)
    assert serving.kubernetes.of("deployments") == before
    assert (serving.route(), serving.status()["state"]) == ("1", "serving")
    assert names.state(clashing) not in serving.kubernetes.of("configmaps")


def test_objects_of_a_model_that_is_forgotten_are_not_taken_over(serving: Platform, clashing: str) -> None:
    serving.unwant()
    del serving.kubernetes.objects["configmaps", names.state(serving.model.name)]
    serving.want(Wanted(model=clashing, version="1"))
    serving.kubernetes.writes.clear()
    serving.turns(5)
    assert serving.reconciler.statuses[names.state(clashing)]["state"] == "refused"
    assert serving.route() == "1"


def test_a_memory_under_another_name_does_not_count(serving: Platform) -> None:
    state = serving.kubernetes.objects["configmaps", names.state(serving.model.name)]
    forged = {**state, "metadata": {**state["metadata"], "name": "old-rollout"}}
    forged["data"] = {
        **state["data"],
        "memory.json": state["data"]["memory.json"].replace('"served": "1"', '"served": "9"'),
    }
    serving.kubernetes.put("configmaps", forged)
    serving.turns(3)
    assert serving.status()["served_version"] == "1"


@pytest.mark.parametrize("text", ["{", '{"model": "another"}'])
def test_a_tag_that_cannot_be_read_is_refused_with_the_reason(platform: Platform, text: str) -> None:
    client, name = platform.model.tracking.client, platform.model.name
    client.set_registered_model_tag(name, "aegis.serving", text)
    platform.turns(5)
    assert platform.status()["state"] == "refused"
    assert ("not JSON" in platform.status()["reason"]) == (text == "{")
    assert not platform.status()["verified"]
    assert platform.kubernetes.of("jobs") == {}
    client.delete_registered_model_tag(name, "aegis.serving")
    platform.turns(5)
    assert names.state(name) not in platform.reconciler.statuses


def test_a_rollout_waits_for_the_record_and_the_old_version_serves_on(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object) -> bool:
        raise WorkloadError("the bucket does not answer", Exit.OBJECT_STORE)

    with monkeypatch.context() as broken:
        broken.setattr(Folder, "create", dead)
        serving.model.move("champion", "2")
        serving.turns(10)
        assert serving.route() == "1"
        assert "is not written yet: the bucket does not answer" in serving.status()["reason"]
    serving.until("2")
    assert serving.steps() == ["start 1", "promote 1", "start 2", "promote 2"]


def test_a_record_that_is_missing_is_told_once_and_shown_until_it_is_put_back(
    serving: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    (last,) = serving.store.root.rglob("00000002.json")
    content = last.read_bytes()
    last.unlink()
    serving.model.move("champion", "2")
    serving.turns(20)
    assert serving.route() == "1"
    assert serving.status()["state"] == "waiting"
    assert f"`start` is not written yet: {last.as_uri()} is missing" in serving.status()["reason"]
    last.write_bytes(content)
    serving.until("2")
    assert serving.status()["reason"] == ""
    told = [each.getMessage() for each in caplog.records if "record" in each.getMessage()]
    assert [text.partition("file:")[0] for text in told] == [
        f"{serving.model.name}: no record: ",
        f"{serving.model.name}: its records are written again",
    ]


def test_a_step_back_whose_record_is_not_written_keeps_its_reason(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object) -> bool:
        raise WorkloadError("the bucket does not answer", Exit.OBJECT_STORE)

    serving.kubernetes.altered = {"2"}
    serving.model.move("champion", "2")
    while "start 2" not in serving.steps():
        serving.turn()
    with monkeypatch.context() as broken:
        broken.setattr(Folder, "create", dead)
        serving.turns(10)
        assert serving.status()["state"] == "refused"
        assert serving.status()["reason"] == (
            "weights.bin was changed; the record of the step `refuse` is not written yet: the bucket does not answer"
        )
    serving.turns(5)
    assert serving.status()["reason"] == "weights.bin was changed"
    assert serving.steps()[-1] == "refuse 2"


def test_a_record_that_was_written_before_a_crash_is_not_written_again(serving: Platform) -> None:
    serving.model.move("champion", "2")
    while "start 2" not in serving.steps():
        serving.turn()
    # The memory of the turn before, in which the record wasn't noted yet.
    serving.restart()
    serving.until("2")
    assert serving.steps().count("start 2") == 1


def test_servers_that_somebody_removed_come_back(serving: Platform) -> None:
    del serving.kubernetes.objects["deployments", f"{serving.model.name}-v1"]
    serving.turns(2)
    assert f"{serving.model.name}-v1" in serving.kubernetes.of("deployments")


def test_a_version_taken_back_by_hand_stays_away_while_the_alias_names_it(serving: Platform) -> None:
    serving.model.move("champion", "2")
    serving.until("2")
    hold = {"model": serving.model.name, "from": "2", "to": "1"}
    serving.kubernetes.put("configmaps", {"metadata": {"name": "x-hold", "labels": {names.HOLD: "true"}}, "data": hold})
    serving.until("1")
    assert "taken back by hand" in serving.status()["reason"]
    assert (serving.status()["wanted_version"], serving.status()["held_from"]) == ("1", "2")
    serving.turns(3)
    assert serving.steps()[-1] == "rollback 1"
    serving.model.move("champion", serving.model.add())
    serving.until("3")


def test_a_version_to_go_back_to_that_mlflow_lacks_is_told(serving: Platform) -> None:
    hold = {"model": serving.model.name, "from": "1", "to": "99"}
    serving.kubernetes.put("configmaps", {"metadata": {"name": "x-hold", "labels": {names.HOLD: "true"}}, "data": hold})
    serving.turns(3)
    status = serving.status()
    assert (status["state"], status["wanted_version"], status["held_from"]) == ("waiting", "99", "1")
    assert serving.route() == "1"


def test_a_dead_api_server_stops_nothing_for_good(serving: Platform) -> None:
    serving.kubernetes.refuse = True
    with pytest.raises(Exception, match="connection refused"):
        serving.turn()
    serving.kubernetes.refuse = False
    serving.model.move("champion", "2")
    serving.until("2")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("since", "[" * 50_000),
        ("since", '"today"'),
        ("since", "1" + "0" * 400),
        ("served", "[1]"),
        ("served", r'"\ud800"'),
        ("head", "[1, 2, 3]"),
        ("baseline", '{"stable": {"requests": [], "errors": 0, "buckets": {}}}'),
    ],
)
def test_a_memory_that_cannot_be_read_is_made_new(serving: Platform, field: str, value: str) -> None:
    data = serving.kubernetes.objects["configmaps", names.state(serving.model.name)]["data"]
    fields = {name: json.dumps(each) for name, each in json.loads(data["memory.json"]).items()} | {field: value}
    data["memory.json"] = "{" + ", ".join(f'"{name}": {each}' for name, each in fields.items()) + "}"
    serving.turns(2)
    assert memory_of(serving.kubernetes, serving.model.name)["served"] == "1"


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", "[" * 50_000, '{"model": "m", "ready": NaN}', r'{"model": "\ud800"}']
)
def test_a_told_status_that_cannot_be_read_is_told_anew(serving: Platform, text: str) -> None:
    state = names.state(serving.model.name)
    serving.kubernetes.objects["configmaps", state]["data"]["status.json"] = text
    serving.turn()
    assert serving.status()["served_version"] == "1"


def test_a_remembered_demand_that_is_not_allowed_stops_no_turn(serving: Platform) -> None:
    state = names.state(serving.model.name)
    data = serving.kubernetes.objects["configmaps", state]["data"]
    data["memory.json"] = data["memory.json"].replace('"replicas": 2', '"replicas": 0')
    serving.kubernetes.objects["configmaps", f"stack-{serving.model.name}"]["data"] = {"wanted.json": "{"}
    serving.turns(2)
    assert serving.route() == "1"


def test_a_model_whose_turn_fails_in_any_way_holds_up_no_other(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(serving.reconciler, "_forget_changed", broken)
        serving.turns(5)
    assert "aegis_serving_failures_total" in serving.metrics()
    serving.model.move("champion", "2")
    serving.until("2")


def test_the_time_between_attempts_has_a_bound_however_often_they_fail(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def failing(model: str, _: object) -> None:
        attempts.append(model)
        raise WorkloadError("the quota is used up")

    monkeypatch.setattr(serving.reconciler, "_forget_changed", failing)
    monkeypatch.setattr(serving.reconciler, "_look", lambda _: None)

    async def turns() -> None:
        for _ in range(1100):
            await serving.reconciler.turn(leads=True)
            serving.now += 61

    serving.loop.run(turns())
    assert attempts.count(serving.model.name) == 1100


def test_a_step_waits_for_its_record_whatever_fails(serving: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Folder, "create", lambda *_: 1 / 0)
        serving.model.move("champion", "2")
        serving.turns(10)
        assert "is not written yet: ZeroDivisionError" in serving.status()["reason"]
    serving.until("2")


def test_a_process_that_leads_no_more_tells_nothing_of_the_models(serving: Platform) -> None:
    assert "aegis_serving_drift{" in serving.metrics()
    serving.leads = False
    serving.turn()
    assert "aegis_serving_drift{" not in serving.metrics()


def test_a_model_whose_turns_fail_still_differs_in_the_metrics(
    serving: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise WorkloadError("the quota is used up")

    monkeypatch.setattr(serving.reconciler, "_do", refused)
    serving.model.move("champion", "2")
    serving.turns(10)
    assert f'aegis_serving_drift{{model="{serving.model.name}"}} 1.0' in serving.metrics()


def test_the_first_rollback_of_a_model_is_an_increase(serving: Platform) -> None:
    assert 'result="rolled_back"} 0.0' in serving.metrics()


def test_only_a_served_model_has_a_number_of_servers(platform: Platform) -> None:
    platform.want(Wanted(model=platform.model.name, alias="nothing"))
    platform.turns(3)
    assert "aegis_serving_ready_servers{" not in platform.metrics()


def test_a_memory_that_is_made_new_changes_no_server(serving: Platform) -> None:
    name = f"{serving.model.name}-v1"
    before = serving.kubernetes.of("deployments")[name]["spec"]
    serving.kubernetes.objects["configmaps", names.state(serving.model.name)]["data"]["memory.json"] = "{"
    serving.restart()
    serving.turns(3)
    assert serving.kubernetes.of("deployments")[name]["spec"] == before


def test_a_canary_on_servers_that_are_still_there_is_judged_by_what_it_answers_now(serving: Platform) -> None:
    serving.model.move("champion", "2")
    serving.until("2")
    serving.want(champion(serving, canary=Canary(percent=20, seconds=10)))
    # A way back needs no trial, and what it left is tried again.
    serving.model.move("champion", "1")
    serving.until("1")
    assert 'result="rolled_back"} 0.0' in serving.metrics()
    serving.model.move("champion", "2")
    while serving.route() != "canary":
        serving.turn()
    baseline = memory_of(serving.kubernetes, serving.model.name)["baseline"]
    assert {name.rpartition("-")[0] for name in baseline} == {f"{serving.model.name}-v{each}" for each in "12"}


def test_a_delivery_that_took_too_long_gets_more_time(serving: Platform) -> None:
    serving.model.move("champion", "2")
    job = f"deliver-{serving.model.name}-v2"
    seconds = []
    for _ in range(60):
        serving.loop.run(serving._turn())
        if found := serving.kubernetes.of("jobs").get(job):
            seconds.append(found["spec"]["activeDeadlineSeconds"])
            found["status"] = {"conditions": [{"type": "Failed", "status": "True", "message": "too late"}]}
        serving.now += 5
    assert sorted(set(seconds))[:3] == [600, 1200, 2400]
    assert serving.route() == "1"


def test_a_clock_that_is_set_back_holds_up_no_move(serving: Platform) -> None:
    serving.turns(3)
    serving.set_back = 3600
    serving.model.move("champion", "2")
    serving.until("2")


@pytest.fixture
def tagged(platform: Platform) -> Platform:
    """The model whose first version answers because of its tag."""
    client, name = platform.model.tracking.client, platform.model.name
    client.set_registered_model_tag(name, "aegis.serving", champion(platform).to_text())
    platform.until("1")
    return platform


def test_a_model_that_mlflow_does_not_show_any_more_serves_on(
    tagged: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: str) -> None:
        raise MlflowException("Permission denied", PERMISSION_DENIED)

    client = tagged.model.tracking.client
    monkeypatch.setattr(client, "search_registered_models", lambda *_, **__: PagedList([], None))
    tagged.turns(5)
    assert tagged.route() == "1"
    monkeypatch.setattr(client, "get_registered_model", denied)
    tagged.turns(5)
    assert tagged.route() == "1"


def test_a_model_whose_tag_was_removed_is_removed(tagged: Platform) -> None:
    tagged.model.tracking.client.delete_registered_model_tag(tagged.model.name, "aegis.serving")
    tagged.turns(5)
    assert tagged.route() is None

"""What a served model does next, in every situation that it can be in."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.serving_world import World, verified
from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.memory import Memory
from workloads.serving.rollout.plan import Deliver, Discard, Remove, RemoveDelivery, RemoveModel, Route, Serve
from workloads.serving.rollout.situation import CANARY_ROUTE, Limits, Pod, Verdict
from workloads.serving.wanted import Canary, Resources, Wanted

CANARY = Wanted(model="digits", alias="champion", canary=Canary(percent=10, seconds=10))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def serving() -> World:
    """Version 1 answers."""
    world = World()
    world.serve("1")
    return world


@pytest.fixture
def canary() -> World:
    """Version 1 answers, and version 2 is tried beside it."""
    world = World(wanted=CANARY)
    world.serve("1")
    world.move("2")
    for _ in range(10):
        world.turn()
        if world.route == CANARY_ROUTE:
            return world
    raise AssertionError(world.status)


class TestFirstVersion:
    def test_it_is_recorded_delivered_started_and_then_answers(self, world: World) -> None:
        seen = []
        for _ in range(6):
            world.turn()
            seen.append(world.steps)
        assert seen[:3] == [[], [Deliver("1")], [Serve("1", 2, "stable")]]
        assert Route("1") in seen[4]
        assert world.answers() == {"1"}
        assert world.actions == ["start 1", "promote 1"]

    def test_nothing_is_delivered_before_the_record_of_the_start(self, world: World) -> None:
        world.ledger_answers = False
        world.turns(5)
        assert world.versions == {}
        assert world.status.state == "waiting"
        assert "record of the step `start`" in world.status.reason

    @pytest.mark.parametrize("finding", ["refused", "missing", "unknown"])
    def test_nothing_is_delivered_without_a_good_signature(self, world: World, finding: str) -> None:
        world.verdict = Verdict(finding=finding, version="1", reason="it is not signed")  # type: ignore[arg-type]
        world.turns(5)
        assert world.versions == {}
        assert world.status.state == ("refused" if finding == "refused" else "waiting")
        assert world.status.reason == "it is not signed"

    def test_a_refusal_is_recorded_once(self, world: World) -> None:
        world.verdict = Verdict(finding="refused", version="1", reason="it is not signed")
        world.turns(5)
        assert world.actions == ["refuse 1"]

    def test_it_is_served_once_it_is_signed(self, world: World) -> None:
        world.verdict = Verdict(finding="refused", version="1", reason="it is not signed")
        world.turns(3)
        world.serve("1")
        assert world.answers() == {"1"}

    def test_it_needs_no_canary(self) -> None:
        world = World(wanted=CANARY)
        world.serve("1")
        assert world.actions == ["start 1", "promote 1"]


class TestNextVersion:
    def test_the_old_one_answers_until_all_servers_of_the_new_one_are_ready(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(20)
        assert serving.answers() == {"1"}
        serving.unready = set()
        serving.turns(3)
        assert serving.answers() == {"2"}

    def test_the_old_one_is_kept_for_a_while_and_then_removed(self, serving: World) -> None:
        serving.serve("2")
        serving.turns(50)
        assert serving.versions["1"].replicas == 2
        serving.turns(30)
        assert serving.versions["1"].replicas is None

    def test_the_files_of_the_version_before_are_kept(self, serving: World) -> None:
        serving.serve("2")
        serving.serve("3")
        serving.turns(200)
        assert set(serving.versions) == {"2", "3"}
        assert serving.memory.previous == "2"

    def test_its_takeover_waits_for_its_record(self, serving: World) -> None:
        serving.move("2")
        serving.turns(3)
        serving.ledger_answers = False
        serving.turns(10)
        assert serving.answers() == {"1"}
        serving.ledger_answers = True
        serving.turns(2)
        assert serving.answers() == {"2"}

    def test_a_changed_number_of_replicas_is_no_rollout(self, serving: World) -> None:
        serving.wanted = Wanted(model="digits", alias="champion", replicas=5)
        serving.turn()
        assert Serve("1", 5, "stable") in serving.steps
        assert serving.actions == ["start 1", "promote 1"]

    def test_changed_resources_are_no_rollout(self, serving: World) -> None:
        serving.wanted = Wanted(model="digits", alias="champion", resources=Resources(cpu="2"))
        serving.turns(3)
        assert serving.actions == ["start 1", "promote 1"]

    def test_a_restart_of_the_reconciler_goes_on_in_the_middle(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(4)
        again = World(memory=Memory.parse(serving.memory.to_text()), versions=serving.versions, route=serving.route)
        again.serve("2")
        assert again.actions == ["promote 2"]

    def test_a_lost_memory_is_restored_from_the_service(self, serving: World) -> None:
        serving.memory = Memory(model="digits")
        serving.turns(3)
        assert serving.memory.served == "1"
        assert serving.actions == ["start 1", "promote 1"]


class TestLost:
    def test_a_memory_that_is_lost_in_a_trial_leaves_what_is_served(self, canary: World) -> None:
        canary.memory = Memory(model="digits")
        canary.verdict = Verdict(finding="unknown", reason="MLflow does not answer")
        for _ in range(100):
            canary.turn()
            assert "1" in canary.answers()
        assert canary.memory.served == "1"

    def test_a_lost_memory_gets_images_and_digests_from_the_servers(self, serving: World) -> None:
        image = "registry.example.com/models@sha256:00"
        serving.say("1", image=image, content="1" * 64)
        serving.memory = Memory(model="digits")
        serving.turn()
        assert serving.memory.images == {"1": image}
        assert serving.memory.contents == {"1": "1" * 64}

    def test_files_that_are_lost_are_delivered_again_to_servers_that_wait(self, serving: World) -> None:
        serving.say("1", delivery="none", pods=(Pod(name="1-0", waiting="Pending"),))
        serving.turn()
        assert Deliver("1") in serving.steps

    def test_a_delivery_to_servers_that_wait_is_tried_again_later(self, serving: World) -> None:
        serving.unready = serving.undelivered = {"1"}
        serving.say("1", delivery="failed", pods=(Pod(name="1-0"),))
        serving.turn()
        assert RemoveDelivery("1") in serving.steps
        assert Discard("1") not in serving.steps
        serving.turns(10)
        assert Deliver("1") not in serving.steps
        serving.turns(15)
        assert serving.versions["1"].delivery == "running"

    def test_servers_that_answer_need_no_delivery(self, serving: World) -> None:
        serving.say("1", delivery="none")
        serving.turn()
        assert Deliver("1") not in serving.steps


class TestOvertaken:
    def test_the_newest_version_is_rolled_out_at_once(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        serving.move("3")
        serving.turns(2)
        assert serving.memory.target == "3"
        assert Deliver("3") in serving.steps
        assert serving.actions[2:] == ["start 2", "abandon 2", "start 3"]

    def test_a_move_back_needs_no_rollout(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.move("1")
        serving.turn()
        assert serving.status.state == "serving"
        assert serving.memory.target is None

    def test_a_start_that_was_never_recorded_leaves_no_record(self, serving: World) -> None:
        serving.ledger_answers = False
        serving.move("2")
        serving.turn()
        serving.move("1")
        serving.turn()
        serving.ledger_answers = True
        serving.turn()
        assert serving.actions == ["start 1", "promote 1"]

    def test_a_canary_is_taken_off_the_traffic_at_once(self, canary: World) -> None:
        canary.move("3")
        canary.turn()
        assert canary.answers() == {"1"}

    def test_servers_that_are_wanted_again_are_still_there(self, serving: World) -> None:
        serving.move("2")
        serving.turns(3)
        serving.move("1")
        serving.turns(5)
        serving.move("2")
        serving.turns(3)
        assert serving.memory.served == "2"

    @settings(max_examples=25, deadline=None)
    @given(moves=st.lists(st.tuples(st.sampled_from("1234"), st.integers(0, 8)), min_size=1, max_size=50))
    def test_after_any_moves_something_answers_always_and_the_last_one_soon(self, moves: list[tuple[str, int]]) -> None:
        world = World(wanted=CANARY)
        world.serve("1")
        for version, turns in moves:
            world.move(version)
            for _ in range(turns):
                world.turn()
                assert world.answers()
                assert world.answers() <= {world.memory.served, world.memory.target}
        world.turns(20)
        assert world.answers() == {moves[-1][0]}
        world.turns(100)
        assert set(world.versions) <= {world.memory.served, world.memory.previous}


class TestDelivery:
    def test_altered_files_are_refused_and_the_old_version_serves_on(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        serving.say("2", delivery="refused", reason="weights.bin was changed")
        serving.turns(30)
        assert serving.answers() == {"1"}
        assert (serving.status.state, serving.status.reason) == (
            "refused",
            "weights.bin was changed",
        )
        assert serving.actions[2:] == ["start 2", "refuse 2"]
        assert set(serving.versions) == {"1"}

    def test_altered_files_on_the_volume_are_refused(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.say("2", pods=(Pod(name="2-0", check_refused=True),))
        serving.turn()
        assert serving.status.state == "refused"
        assert {Remove("2"), Discard("2")} <= set(serving.steps)

    def test_a_failed_delivery_is_tried_again_later(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        serving.say("2", delivery="failed", reason="deadline exceeded")
        serving.turn()
        assert Discard("2") in serving.steps
        assert "tried again after 15 s: deadline exceeded" in serving.status.reason
        serving.turns(10)
        assert "2" not in serving.versions
        serving.undelivered = set()
        serving.turns(15)
        assert serving.answers() == {"2"}

    def test_a_failed_delivery_keeps_its_reason_until_it_is_tried_again(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        for times, wait in (("once", 15), ("2 times", 30)):
            serving.say("2", delivery="failed", reason="deadline exceeded")
            serving.turns(2)
            assert serving.status.state == "waiting"
            assert serving.status.reason == (
                f"its delivery failed {times}, and is tried again after {wait} s: deadline exceeded"
            )
            serving.turns(wait)

    def test_an_impossible_delivery_is_not_tried_again(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        serving.say("2", delivery="impossible", reason="it needs x==1, which isn't installed")
        serving.turns(100)
        assert (serving.status.state, serving.status.reason) == (
            "failed",
            "it can't be delivered: it needs x==1, which isn't installed",
        )
        assert serving.answers() == {"1"}
        assert serving.actions[2:] == ["start 2", "rollback 2"]
        serving.undelivered = set()
        serving.asked = "now"
        serving.turns(10)
        assert serving.answers() == {"2"}

    def test_a_delivery_says_what_it_waits_for(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(3)
        serving.say("2", reason="1 Insufficient memory")
        serving.turn()
        assert serving.status.reason == "its files are being delivered: 1 Insufficient memory"

    def test_servers_that_start_say_what_they_wait_for(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.say("2", pods=(Pod(name="2-0", waiting="1 Insufficient cpu"), Pod(name="2-1")))
        serving.turn()
        assert serving.status.reason == "0 of 2 servers are ready: 1 Insufficient cpu"

    def test_a_delivery_that_hangs_leaves_the_old_version(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(500)
        assert serving.answers() == {"1"}
        assert serving.status.state == "rolling"


class TestFailingServers:
    def test_servers_that_crash_are_rolled_back(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.say("2", pods=(Pod(name="2-0", restarts=3, waiting="CrashLoopBackOff"),))
        serving.turns(2)
        assert serving.status.state == "failed"
        assert "CrashLoopBackOff" in serving.status.reason
        assert serving.actions[-1] == "rollback 2"

    def test_servers_that_are_never_ready_are_rolled_back_after_the_deadline(self, serving: World) -> None:
        serving.limits = Limits(start=60)
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(60)
        assert serving.memory.target == "2"
        serving.turns(10)
        assert serving.actions[-1] == "rollback 2"
        assert "2" not in serving.versions

    def test_a_version_that_failed_is_not_tried_again(self, serving: World) -> None:
        self._fail(serving)
        serving.unready = set()
        serving.turns(100)
        assert serving.answers() == {"1"}
        assert serving.actions[-1] == "rollback 2"

    def test_it_is_tried_again_when_somebody_asks(self, serving: World) -> None:
        self._fail(serving)
        serving.unready = set()
        serving.asked = "now"
        serving.turns(10)
        assert serving.answers() == {"2"}

    def test_it_is_tried_again_when_the_alias_moved_in_between(self, serving: World) -> None:
        self._fail(serving)
        serving.unready = set()
        serving.serve("3")
        serving.serve("2")
        assert serving.answers() == {"2"}

    def test_a_rollback_does_not_wait_for_its_record(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.ledger_answers = False
        serving.say("2", pods=(Pod(name="2-0", restarts=3),))
        serving.turn()
        assert Remove("2") in serving.steps
        serving.ledger_answers = True
        serving.turn()
        assert serving.actions[-1] == "rollback 2"

    def _fail(self, world: World) -> None:
        world.unready = {"2"}
        world.move("2")
        world.turns(4)
        world.say("2", pods=(Pod(name="2-0", restarts=3),))
        world.turns(2)


class TestCanary:
    def test_it_gets_its_share_and_then_everything(self, canary: World) -> None:
        assert canary.answers() == {"1", "2"}
        assert canary.status.canary_percent == 33
        assert [pod.open for pod in canary.versions["2"].pods] == [True, False]
        canary.turns(13)
        assert canary.answers() == {"2"}
        assert canary.actions[2:] == ["start 2", "promote 2"]

    def test_the_share_is_nearest_to_what_is_wanted(self) -> None:
        world = World(wanted=replace(CANARY, replicas=10, canary=Canary(percent=25)))
        world.serve("1")
        world.move("2")
        world.turns(6)
        assert sum(pod.open for pod in world.versions["2"].pods) == 3

    def test_failed_requests_take_it_back(self, canary: World) -> None:
        canary.figures = {"1": Figures(requests=200), "2": Figures(requests=50, errors=10)}
        canary.turns(2)
        assert canary.answers() == {"1"}
        assert canary.actions[-1] == "rollback 2"
        assert canary.status.state == "failed"
        assert "10 of 50 requests failed, 20.0%" in canary.status.reason
        canary.turns(100)
        assert canary.answers() == {"1"}

    def test_slow_answers_take_it_back(self, canary: World) -> None:
        quick = Figures(requests=100, buckets={0.1: 100, 1.0: 100})
        slow = Figures(requests=100, buckets={0.1: 0, 1.0: 100})
        canary.figures = {"1": quick, "2": slow}
        canary.turn()
        assert "times the stable version's 95 ms" in canary.status.reason
        assert canary.answers() == {"1"}

    def test_mistakes_of_clients_fail_at_both_and_change_nothing(self, canary: World) -> None:
        canary.figures = {"1": Figures(requests=100, errors=30), "2": Figures(requests=100, errors=31)}
        canary.turns(13)
        assert canary.answers() == {"2"}

    def test_only_what_happened_since_it_was_opened_counts(self) -> None:
        world = World(wanted=CANARY)
        world.serve("1")
        world.figures = {"1": Figures(requests=1000, errors=900)}
        world.move("2")
        world.turns(6)
        world.figures = {"1": Figures(requests=1100, errors=900), "2": Figures(requests=100, errors=50)}
        world.turns(2)
        assert world.actions[-1] == "rollback 2"

    def test_servers_that_cannot_be_read_for_a_moment_change_no_judgement(self) -> None:
        world = World(wanted=CANARY)
        world.serve("1")
        quick = Figures(requests=1000, buckets={0.1: 1000, 1.0: 1000})
        # Before the trial, the stable version was quick, and in it both are as slow.
        world.figures = {"1": quick}
        world.move("2")
        while world.memory.canary_since is None:
            world.turn()
        slow = Figures(requests=100, buckets={0.1: 0, 1.0: 100})
        world.figures = {"1": Figures(requests=1100, buckets={0.1: 1000, 1.0: 1100}), "2": slow}
        # The second stable server has its own past, and the first one is missed once.
        world.turn()
        world.unread = {"1-0"}
        world.turn()
        world.unread = set()
        world.turns(13)
        assert world.answers() == {"2"}

    def test_a_stable_server_that_restarts_counts_from_its_start(self, canary: World) -> None:
        canary.memory = replace(
            canary.memory, baseline={"1-0": Figures(requests=900, errors=90), "1-1": Figures(requests=900, errors=90)}
        )
        canary.figures = {"1": Figures(requests=1000, errors=90), "2": Figures(requests=100, errors=8)}
        canary.turns(2)
        assert canary.actions[-1] == "rollback 2"

    def test_one_whose_figures_cannot_be_read_never_takes_over(self, canary: World) -> None:
        canary.unread = {"2-0", "2-1"}
        canary.turns(100)
        assert canary.answers() == {"1", "2"}
        assert "the figures of 2-0, 2-1 can't be read" in canary.status.reason
        canary.turns(250)
        assert canary.answers() == {"1"}
        assert canary.actions[-1] == "rollback 2"

    def test_it_is_watched_while_the_record_of_its_takeover_waits(self, canary: World) -> None:
        canary.ledger_answers = False
        canary.turns(30)
        assert (canary.answers(), canary.status.state) == ({"1", "2"}, "waiting")
        canary.figures = {"1": Figures(requests=200), "2": Figures(requests=50, errors=10)}
        canary.turn()
        assert canary.answers() == {"1"}
        canary.ledger_answers = True
        canary.turn()
        assert canary.actions[2:] == ["start 2", "rollback 2"]

    def test_new_servers_are_opened_while_a_record_waits(self, canary: World) -> None:
        canary.ledger_answers = False
        canary.turns(30)
        canary.say("1", pods=(Pod(name="1-2", ready=True), Pod(name="1-3", ready=True)))
        canary.turn()
        assert canary.answers() == {"1", "2"}

    def test_one_that_stops_answering_is_taken_back(self, canary: World) -> None:
        canary.unready = {"2"}
        canary.say("2", available=0, pods=(Pod(name="2-0"), Pod(name="2-1")))
        canary.turn()
        assert canary.answers() == {"1"}
        assert "does not answer any more" in canary.status.reason

    def test_a_restart_of_the_reconciler_does_not_begin_it_again(self, canary: World) -> None:
        canary.turns(5)
        started = canary.memory.canary_since
        canary.memory = Memory.parse(canary.memory.to_text())
        canary.turn()
        assert canary.memory.canary_since == started


class TestWayBack:
    @pytest.fixture
    def newer(self) -> World:
        """Version 2 answers after a trial beside version 1."""
        world = World(wanted=replace(CANARY, canary=Canary(percent=10, seconds=3600)))
        world.serve("1")
        world.wanted = CANARY
        world.serve("2")
        world.wanted = replace(CANARY, canary=Canary(percent=10, seconds=3600))
        return world

    def test_a_version_chosen_by_hand_needs_no_trial(self, newer: World) -> None:
        newer.verdict = replace(verified("1"), held_from="2")
        newer.turn()
        assert newer.answers() == {"1"}
        newer.turn()
        assert newer.actions[-1] == "rollback 1"
        assert newer.records[-1].from_version == "2"
        assert "taken back by hand" in (newer.records[-1].reason or "")
        assert newer.status.held_from == "2"

    def test_it_answers_as_soon_as_its_servers_are_ready(self, newer: World) -> None:
        newer.turns(100)
        assert newer.versions["1"].replicas is None
        newer.verdict = replace(verified("1"), held_from="2")
        newer.turns(3)
        assert newer.answers() == {"1"}

    def test_the_version_that_was_served_before_needs_no_trial(self, newer: World) -> None:
        newer.move("1")
        newer.turns(2)
        assert newer.answers() == {"1"}
        assert newer.actions[-1] == "rollback 1"

    def test_the_version_that_was_taken_back_is_tried_again(self, newer: World) -> None:
        newer.serve("1")
        newer.move("2")
        newer.turns(10)
        assert newer.answers() == {"1", "2"}

    def test_it_waits_for_no_record(self, newer: World) -> None:
        newer.ledger_answers = False
        newer.verdict = replace(verified("1"), held_from="2")
        newer.turn()
        assert newer.answers() == {"1"}
        newer.verdict = replace(verified("2"), held_from="1")
        newer.turn()
        newer.unready = {"1"}
        newer.say("1", available=0, pods=())
        newer.verdict = replace(verified("1"), held_from="2")
        newer.turn()
        newer.verdict = verified("2")
        newer.turn()
        newer.ledger_answers = True
        newer.turn()
        assert newer.actions[-4:] == ["start 1", "rollback 1", "start 2", "rollback 2"]

    def test_a_version_in_its_trial_is_taken_back_by_hand(self, canary: World) -> None:
        canary.verdict = replace(verified("1"), held_from="2")
        canary.turn()
        assert canary.answers() == {"1"}
        canary.turn()
        assert canary.actions[-1] == "abandon 2"
        assert "taken back by hand" in (canary.records[-1].reason or "")
        assert "taken back by hand" in canary.status.reason


class TestMlflowDown:
    def test_everything_serves_on(self, serving: World) -> None:
        serving.verdict = Verdict(finding="unknown", reason="MLflow does not answer")
        serving.turns(500)
        assert serving.answers() == {"1"}
        assert (serving.status.state, serving.status.served_version) == ("waiting", "1")

    def test_a_rollout_that_was_verified_goes_on(self, serving: World) -> None:
        serving.move("2")
        serving.turns(3)
        serving.verdict = Verdict(finding="unknown", reason="MLflow does not answer")
        serving.turns(5)
        assert serving.answers() == {"2"}


class TestNoLongerGood:
    def test_a_deleted_version_serves_on(self, serving: World) -> None:
        serving.verdict = Verdict(finding="missing", reason="digits has no alias champion")
        serving.turns(200)
        assert serving.answers() == {"1"}
        assert serving.status.state == "waiting"

    def test_a_revoked_key_stops_a_rollout(self, serving: World) -> None:
        serving.unready = {"2"}
        serving.move("2")
        serving.turns(4)
        serving.verdict = Verdict(finding="refused", version="2", reason="its key is not trusted")
        serving.turns(3)
        assert serving.memory.target is None
        assert serving.answers() == {"1"}
        assert serving.actions[-2:] == ["refuse 2", "abandon 2"]

    def test_what_is_served_serves_on_after_its_key_was_revoked(self, serving: World) -> None:
        serving.verdict = serving.served_verdict = Verdict(finding="refused", version="1", reason="not trusted")
        serving.turns(100)
        assert serving.answers() == {"1"}
        assert serving.status.state == "serving"
        assert not serving.status.verified
        assert "served on, but would not be served again: not trusted" in serving.status.reason

    def test_it_is_removed_instead_if_the_settings_say_so(self, serving: World) -> None:
        serving.limits = Limits(remove_unverified=True)
        serving.verdict = serving.served_verdict = Verdict(finding="refused", version="1", reason="not trusted")
        serving.turns(3)
        assert serving.answers() == set()
        assert serving.status.state == "refused"
        assert "remove 1" in serving.actions

    def test_a_doubt_lasts_while_mlflow_is_silent(self, serving: World) -> None:
        serving.served_verdict = Verdict(finding="refused", version="1", reason="not trusted")
        serving.turns(2)
        serving.verdict = serving.served_verdict = Verdict(finding="unknown", reason="MLflow does not answer")
        serving.turns(2)
        assert not serving.status.verified
        assert "not trusted" in serving.status.reason

    def test_only_a_version_that_answers_is_verified(self, world: World) -> None:
        world.verdict = Verdict(finding="unknown", version="1", reason="the artifact store does not answer")
        world.turns(2)
        assert not world.status.verified
        world.serve("1")
        assert world.status.verified


class TestOtherFilesUnderTheSameNumber:
    OTHER = Verdict(finding="verified", version="1", content_sha256="f" * 64)

    def test_what_is_served_serves_on_and_is_not_called_verified(self, serving: World) -> None:
        serving.verdict = serving.served_verdict = self.OTHER
        serving.turns(5)
        assert serving.answers() == {"1"}
        assert serving.memory.contents["1"] == "1" * 64
        assert not serving.status.verified
        assert "version 1 was registered again with other files" in serving.status.reason

    def test_it_is_removed_and_served_anew_if_the_settings_say_so(self, serving: World) -> None:
        serving.limits = Limits(remove_unverified=True)
        serving.verdict = serving.served_verdict = self.OTHER
        serving.turn()
        assert {Remove("1"), Discard("1")} <= set(serving.steps)
        assert serving.versions == {}
        serving.turns(10)
        assert serving.answers() == {"1"}
        assert serving.memory.contents["1"] == "f" * 64
        assert serving.status.verified
        assert serving.actions[-3:] == ["remove 1", "start 1", "promote 1"]

    def test_old_files_of_a_version_that_comes_back_are_not_served(self, serving: World) -> None:
        serving.serve("2")
        serving.verdict = self.OTHER
        serving.turn()
        assert {Remove("1"), Discard("1")} <= set(serving.steps)
        serving.turn()
        assert Deliver("1") in serving.steps
        serving.turns(10)
        assert serving.answers() == {"1"}
        assert serving.memory.contents["1"] == "f" * 64

    def test_a_rollout_of_the_old_files_begins_again(self, serving: World) -> None:
        serving.undelivered = {"2"}
        serving.move("2")
        serving.turns(5)
        serving.verdict = Verdict(finding="verified", version="2", content_sha256="f" * 64)
        serving.turn()
        assert {Remove("2"), Discard("2")} <= set(serving.steps)
        assert serving.memory.contents["2"] == "f" * 64
        serving.undelivered = set()
        serving.turns(10)
        assert serving.answers() == {"2"}
        assert serving.actions[-4:] == ["start 2", "abandon 2", "start 2", "promote 2"]


class TestRemoval:
    def test_everything_goes_and_leaves_a_record(self, serving: World) -> None:
        serving.wanted = None
        serving.turn()
        assert serving.steps == [RemoveModel()]
        serving.turns(2)
        assert serving.finished
        assert serving.records[-1].action == "remove"
        assert serving.records[-1].from_version == "1"

    def test_it_is_not_forgotten_before_its_record_is_written(self, serving: World) -> None:
        serving.wanted = None
        serving.ledger_answers = False
        serving.turns(5)
        assert serving.versions == {}
        assert not serving.finished

    def test_it_can_be_served_again(self, serving: World) -> None:
        serving.wanted = None
        serving.turns(2)
        serving.wanted = Wanted(model="digits", alias="champion")
        serving.serve("1")
        assert serving.answers() == {"1"}


def test_a_version_taken_back_by_hand_says_so(serving: World) -> None:
    serving.serve("2")
    serving.verdict = replace(verified("1"), held_from="2")
    serving.turns(5)
    assert serving.answers() == {"1"}
    assert "version 2 was taken back by hand" in serving.status.reason


def test_more_refusals_than_can_wait_are_left_out(world: World) -> None:
    world.ledger_answers = False
    for number in range(1, 100):
        world.verdict = Verdict(finding="refused", version=str(number), reason="it is not signed")
        world.turn()
    assert len(world.memory.pending) == 50

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workloads.backup.layout import Backup, State
from workloads.backup.retention import GRACE, plan

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
MONTH = timedelta(days=30)


def backup(age: timedelta, state: State, number: int = 0) -> Backup:
    return Backup(id=f"{age}-{number}", started_at=NOW - age, state=state, size=1, objects=())


def days(number: int, state: State) -> Backup:
    return backup(timedelta(days=number), state)


backups = st.lists(
    st.builds(
        lambda hours, state: (timedelta(hours=hours), state), st.integers(0, 24 * 90), st.sampled_from(list(State))
    ),
    max_size=30,
).map(lambda drawn: [backup(age, state, number) for number, (age, state) in enumerate(drawn)])


@given(backups, st.integers(1, 60))
def test_the_last_verified_backup_is_never_removed(kept: list[Backup], retention: int) -> None:
    removed = [removal.backup for removal in plan(kept, now=NOW, retention=timedelta(days=retention))]

    verified = [one for one in kept if one.state is State.VERIFIED]
    if verified:
        assert any(one not in removed for one in verified if one.started_at == max(v.started_at for v in verified))


@given(backups, st.integers(1, 60))
def test_no_backup_is_removed_before_its_time(kept: list[Backup], retention: int) -> None:
    for removal in plan(kept, now=NOW, retention=timedelta(days=retention)):
        limit = GRACE if removal.backup.state is State.HALF else timedelta(days=retention)
        assert NOW - removal.backup.started_at > limit


@given(backups, st.integers(1, 60))
def test_at_most_one_backup_outlives_its_time(kept: list[Backup], retention: int) -> None:
    removed = [removal.backup for removal in plan(kept, now=NOW, retention=timedelta(days=retention))]

    old = [one for one in kept if one.state is not State.HALF and NOW - one.started_at > timedelta(days=retention)]
    assert len([one for one in old if one not in removed]) <= 1


@given(backups, st.integers(1, 60))
def test_pruning_twice_removes_nothing_more(kept: list[Backup], retention: int) -> None:
    removed = [removal.backup for removal in plan(kept, now=NOW, retention=timedelta(days=retention))]
    left = [one for one in kept if one not in removed]

    assert plan(left, now=NOW, retention=timedelta(days=retention)) == []


def test_an_old_verified_backup_stays_while_newer_ones_fail_verification() -> None:
    last_good = days(45, State.VERIFIED)
    kept = [days(60, State.VERIFIED), last_good, days(40, State.DAMAGED), days(1, State.DAMAGED)]

    removed = [removal.backup for removal in plan(kept, now=NOW, retention=MONTH)]

    assert removed == [kept[0], kept[2]]


def test_without_a_verified_backup_the_last_complete_one_stays() -> None:
    kept = [days(60, State.COMPLETE), days(50, State.COMPLETE), days(45, State.DAMAGED)]

    removed = [removal.backup for removal in plan(kept, now=NOW, retention=MONTH)]

    assert removed == [kept[0], kept[2]]


def test_a_backup_that_is_being_made_is_left_alone_and_an_abandoned_one_goes() -> None:
    running, abandoned = backup(timedelta(hours=1), State.HALF), days(2, State.HALF)

    (removal,) = plan([running, abandoned], now=NOW, retention=MONTH)

    assert removal.backup is abandoned
    assert removal.reason == "unfinished after 24 hours"

from datetime import UTC, datetime

import pytest

from workloads.backup import layout
from workloads.backup.layout import State, StoredObject

ID = "20261121T020000Z-0123abcd"


def objects(*names: str, backup_id: str = ID) -> list[StoredObject]:
    return [StoredObject(key=f"{backup_id}/{name}", size=7) for name in names]


def test_an_id_tells_when_the_backup_began() -> None:
    now = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)

    backup_id = layout.new_id(now)

    assert backup_id.startswith("20261121T020000Z-")
    assert layout.started_at(backup_id) == now


def test_two_backups_of_the_same_second_have_different_ids() -> None:
    now = datetime.now(UTC)

    assert layout.new_id(now) != layout.new_id(now)


@pytest.mark.parametrize("name", ["", "notes", "20261121T020000Z", "20261321T020000Z-0123abcd", f"{ID}x"])
def test_another_folder_is_no_backup(name: str) -> None:
    assert layout.started_at(name) is None
    assert layout.group(objects(layout.DUMP, layout.MANIFEST, backup_id=name)) == []


@pytest.mark.parametrize(
    ("names", "state"),
    [
        ((layout.DUMP,), State.HALF),
        ((layout.MANIFEST,), State.HALF),
        ((layout.VERIFIED,), State.HALF),
        ((layout.DUMP, layout.MANIFEST), State.COMPLETE),
        ((layout.DUMP, layout.MANIFEST, layout.VERIFIED), State.VERIFIED),
        ((layout.DUMP, layout.MANIFEST, layout.FAILED), State.DAMAGED),
        ((layout.DUMP, layout.MANIFEST, layout.VERIFIED, layout.FAILED), State.DAMAGED),
    ],
)
def test_the_objects_of_a_backup_tell_its_state(names: tuple[str, ...], state: State) -> None:
    (backup,) = layout.group(objects(*names))

    assert backup.state is state


def test_backups_are_listed_oldest_first() -> None:
    newer = "20261122T020000Z-00000000"

    backups = layout.group([*objects(layout.DUMP, backup_id=newer), *objects(layout.DUMP)])

    assert [backup.id for backup in backups] == [ID, newer]

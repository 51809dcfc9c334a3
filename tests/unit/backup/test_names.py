import pytest

from contracts import Exit
from workloads.backup.server import name_beside
from workloads.cli import WorkloadError
from workloads.database.address import NAME_LIMIT, Address


def test_two_long_names_with_the_same_beginning_share_no_name_beside_them() -> None:
    names = ["a" * 62 + end for end in "bc"] + ["é" * 31]

    beside = {name_beside(name, "replaced_20261121020000") for name in names}

    assert len(beside) == 3
    assert all(len(name.encode()) <= NAME_LIMIT for name in beside)


def test_a_short_name_stays_readable() -> None:
    assert name_beside("mlflow", "restoring") == "mlflow_restoring"


@pytest.mark.parametrize("name", ["PGDATABASE", "PGUSER"])
@pytest.mark.parametrize("value", ["a" * 64, "é" * 32, "mlflow\n"])
def test_a_name_that_postgresql_would_cut_or_not_hold_is_refused(
    address: Address, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(WorkloadError, match=f"{name} must be at most 63 bytes .*, got ") as failure:
        Address.from_env()

    assert failure.value.code is Exit.USAGE

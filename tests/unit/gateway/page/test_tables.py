"""Tables for people: what comes from users is text, whatever it contains."""

import math

import pytest

from tests.support.page_data import HOSTILE
from workloads.gateway.page import tables
from workloads.gateway.page.rows import Run
from workloads.gateway.page.tables import Badge
from workloads.gateway.page.tabs import compare, runs, search


def run(name: str, *, metrics: dict[str, float], params: dict[str, str], status: str = "FINISHED") -> Run:
    return Run(
        run_id=f"{name}-id", name=name, status=status, started=1_000, ended=3_000, params=params, metrics=metrics
    )


TRIALS = [
    run("deep", metrics={"loss": 0.25, "accuracy": 0.9}, params={"layers": "3", "seed": "1"}),
    run("flat", metrics={"loss": 0.5}, params={"layers": "1", "seed": "1"}),
    run("lost", metrics={"loss": math.nan}, params={"layers": "2", "seed": "1"}, status="FAILED"),
]


def test_a_name_is_neither_markup_nor_a_template() -> None:
    table = tables.table((HOSTILE,), [(HOSTILE,), (Badge(text=HOSTILE, more=HOSTILE),)], empty="")
    assert "<img" not in table
    assert not {"{", "}", "$", "`"} & set(table)


def test_each_cell_carries_its_column_for_a_narrow_window() -> None:
    assert 'data-label="Loss">0.1<' in tables.table(("Run", "Loss"), [("first", "0.1")], empty="")


def test_a_table_without_rows_is_a_sentence() -> None:
    assert "Nothing &amp; nobody." in tables.table(("Run",), [], empty="Nothing & nobody.")


def test_a_long_text_is_cut_and_whole_where_the_pointer_is() -> None:
    table = tables.table(("Note",), [("x" * 500,)], empty="")
    assert f">{'x' * 120}…<" in table
    assert f'title="{"x" * 500}"' in table


@pytest.mark.parametrize(("milliseconds", "text"), [(1_500, "1.5 s"), (90_000, "1.5 min"), (5_400_000, "1.5 h")])
def test_a_duration_has_the_unit_that_fits(milliseconds: int, text: str) -> None:
    assert tables.duration(milliseconds) == text


def test_the_runs_show_what_differs_and_not_what_all_share() -> None:
    table = runs.table(TRIALS)
    assert ">layers<" in table
    assert ">seed<" not in table
    assert '"badge bad">failed<' in table


def test_the_best_runs_of_a_search_come_first_and_those_without_a_value_never() -> None:
    lowest, highest = (search.table(TRIALS, ["layers"], "loss", highest=each) for each in (False, True))
    assert lowest.index("deep") < lowest.index("flat")
    assert highest.index("flat") < highest.index("deep")
    assert "lost" not in lowest


def test_a_comparison_has_a_row_for_each_metric_and_each_difference() -> None:
    table = compare.table(TRIALS[:2])
    assert [name in table for name in (">loss<", ">accuracy<", ">layers<", ">seed<")] == [True, True, True, False]
    assert ">-<" in table

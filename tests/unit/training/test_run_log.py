"""The final status of a training's MLflow run."""

from pathlib import Path

import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.training.run_log import NoTracking, Status, tracked
from workloads.training.stopping import StoppedError


class Recorded(NoTracking):
    """Records the final status, and fails to end if configured so."""

    def __init__(self, failure: WorkloadError | None = None) -> None:
        self.status: Status | None = None
        self.failure = failure

    def end(self, status: Status) -> None:
        self.status = status
        if self.failure:
            raise self.failure


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoppedError(3, 10, Path("out")), "KILLED"),
        (WorkloadError("diverged"), "FAILED"),
        (KeyboardInterrupt(), "FAILED"),
        (RuntimeError("out of memory"), "FAILED"),
    ],
)
def test_a_run_is_never_left_running(error: BaseException, status: Status) -> None:
    run = Recorded()
    with pytest.raises(type(error)), tracked(run):
        raise error
    assert run.status == status


def test_the_run_of_a_complete_training_is_finished() -> None:
    run = Recorded()
    with tracked(run):
        pass
    assert run.status == "FINISHED"


def test_a_dead_server_does_not_hide_why_a_training_ended(capsys: pytest.CaptureFixture[str]) -> None:
    run = Recorded(failure=WorkloadError("MLflow does not answer", Exit.MLFLOW))
    with pytest.raises(StoppedError) as stopped, tracked(run):
        raise StoppedError(3, 10, Path("out"))
    assert stopped.value.code == Exit.INTERRUPTED
    assert "MLflow does not answer" in capsys.readouterr().err


def test_metrics_that_never_arrived_fail_a_complete_training() -> None:
    with pytest.raises(WorkloadError) as failure, tracked(Recorded(failure=WorkloadError("gone", Exit.MLFLOW))):
        pass
    assert failure.value.code == Exit.MLFLOW

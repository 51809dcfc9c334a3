"""What a model requires beside what is installed."""

from importlib.metadata import version
from pathlib import Path

import pytest

from contracts import Exit
from workloads.cli import WorkloadError
from workloads.serving.server import requirements

MLFLOW = version("mlflow")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a comment\n-c constraints.txt\n--extra-index-url https://x\n",
        f"mlflow=={MLFLOW}",
        "mlflow==3.0.1",
        "mlflow>=3,<3.1  # pinned",
        "mlflow<3.1",
        "mlflow!=3.0",
        "mlflow",
        "MLflow[gateway]~=3.0",
        "no-such-package==1; python_version < '3'",
        "./local.whl",
    ],
)
def test_the_same_major_version_is_enough(text: str) -> None:
    assert list(requirements.differences(text)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mlflow==2.22.0", f"it needs mlflow==2.22.0, and {MLFLOW} is installed"),
        ("mlflow<3", f"it needs mlflow<3, and {MLFLOW} is installed"),
        ("mlflow>=99", f"it needs mlflow>=99, and {MLFLOW} is installed"),
        ("mlflow==1.*", f"it needs mlflow==1.*, and {MLFLOW} is installed"),
        ("no-such-package>=1", "it needs no-such-package>=1, which isn't installed"),
    ],
)
def test_a_missing_package_and_another_major_version_are_named(text: str, problem: str) -> None:
    assert list(requirements.differences(text)) == [problem]


def test_a_difference_is_an_error_unless_it_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "requirements.txt").write_text("mlflow==2.1\n")
    with pytest.raises(
        WorkloadError, match=r"can't run the model: it needs mlflow==2.*Log it with `pip_requirements`"
    ) as error:
        requirements.check(tmp_path)
    assert error.value.code == Exit.USAGE
    requirements.check(tmp_path, ignore=True)
    assert "It is used nevertheless" in caplog.text


def test_a_model_without_requirements_claims_none(tmp_path: Path) -> None:
    requirements.check(tmp_path)

"""The promotions of `python -m workloads.registry.compare_and_promote_models`."""

from pathlib import Path

import pytest

from contracts import Exit
from tests.support.registered import SignedModel
from tests.support.tracking_store import Experiment
from tests.support.verdict import Verdict
from workloads import cli
from workloads.registry.compare_and_promote_models import main

pytestmark = pytest.mark.usefixtures("vault")


def run(*argv: str) -> int:
    """Run the command as a process would, and return its exit code."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, argv)
    return int(exit_.value.code or 0)


@pytest.fixture
def promote(model: SignedModel, experiment: Experiment) -> tuple[str, ...]:
    """The arguments that promote the run with the lowest loss."""
    arguments = ("--experiment-name", experiment.name, "--action", "promote", "--model-name", model.name)
    return (*arguments, "--metric", "loss")


def test_the_newest_signed_version_of_the_best_run_is_promoted(
    model: SignedModel, experiment: Experiment, promote: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    best, other = experiment.run({"loss": 1}), experiment.run({"loss": 2})
    model.add(run_id=best)
    expected = model.add(run_id=best)
    model.add(run_id=best, signed=False)
    highest = model.add(run_id=other)
    assert run(*promote, "--stage", "Staging") == Exit.OK
    assert f"champion of {model.name} is version {expected}: file:///" in capsys.readouterr().out
    assert model.tracking.client.get_model_version(model.name, expected).current_stage == "Staging"
    assert run(*promote) == Exit.OK
    assert f"champion of {model.name} is version {expected} already" in capsys.readouterr().out
    assert run(*promote, "--maximize") == Exit.OK
    assert (model.alias("champion"), model.alias("previous")) == (highest, expected)


def test_a_best_run_without_a_signed_version_is_refused_with_the_command_that_makes_one(
    model: SignedModel, experiment: Experiment, promote: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    best = experiment.run({"loss": 1})
    assert run(*promote) == Exit.NO_RUN
    release = (
        f"sign and register it with `python -m workloads.release.run --experiment-name={experiment.name} "
        f"--metric=loss --minimize --model-name={model.name}`."
    )
    assert capsys.readouterr().err == (
        f"error: the best run of the experiment {experiment.name!r} is {best}, and in {model.name} it has no version: "
        f"{release}\n"
    )
    unsigned = model.add(run_id=best, signed=False)
    assert run(*promote) == Exit.NOT_VERIFIED
    assert f"and in {model.name} its version {unsigned} is not signed: {release}" in capsys.readouterr().err
    assert model.alias("champion") is None


def test_a_changed_version_is_refused_without_a_policy_too(
    model: SignedModel, experiment: Experiment, promote: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    number = model.add(run_id=experiment.run({"loss": 1}))
    (model.files(number) / "weights.bin").write_bytes(b"short")
    assert run(*promote) == Exit.NOT_VERIFIED
    assert f"{model.name} version {number} is NOT verified" in capsys.readouterr().err
    assert model.alias("champion") is None


def test_a_policy_that_refuses_fails_a_promotion_and_not_an_automatic_one(
    model: SignedModel,
    experiment: Experiment,
    promote: tuple[str, ...],
    verdict: Verdict,
    capsys: pytest.CaptureFixture[str],
) -> None:
    number = model.add(run_id=experiment.run({"loss": 1}))
    verdict.accepts = False
    assert run(*promote, "--policy", "p.yaml") == Exit.REFUSED
    said = capsys.readouterr()
    assert said.out.endswith("\nnot passed\n")
    assert said.err == f"error: the policy always refuses {model.name} version {number}: accuracy.\n"
    model.move("candidate", number)
    automatic = ("--action", "auto-promote", "--model-name", model.name, "--policy", "p.yaml")
    assert run(*automatic) == Exit.OK
    assert capsys.readouterr().out.endswith(f"\nthe policy always refuses {model.name} version {number}: accuracy.\n")
    verdict.accepts = True
    assert run(*automatic, "--stage", "Production") == Exit.OK
    assert model.tracking.client.get_model_version(model.name, number).current_stage == "Production"
    assert model.alias("champion") == number


def test_an_invalid_policy_is_refused(promote: tuple[str, ...], tmp_path: Path) -> None:
    assert run(*promote, "--policy", str(tmp_path / "missing.yaml")) == Exit.USAGE

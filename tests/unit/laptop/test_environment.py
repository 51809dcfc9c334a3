"""The files .env.dev and .env.prod, and the settings in them."""

import os
from pathlib import Path

import pytest

from laptop import checks, environment
from workloads.cli import WorkloadError


def written(root: Path, text: str, name: str = "dev") -> Path:
    (root / f".env.{name}").write_text(text)
    return root


def test_the_example_for_a_laptop_is_complete(folder: Path) -> None:
    settings = environment.enter("dev")
    assert settings.folder == folder
    assert settings.database == folder / "mlflow.db"
    assert os.environ["MLFLOW_TRACKING_URI"] == settings.tracking_uri == f"sqlite:///{folder}/mlflow.db"
    assert os.environ["AEGIS_RELEASES_BUCKET"] == f"{folder}/releases"
    assert os.environ["AEGIS_SIGNING_KEY_FILE"] == f"{folder}/keys/signing-key.pem"
    assert (settings.port, settings.serving_port) == (5000, 5001)
    assert settings.model == f"{settings.experiment}_pytorch_model"


def test_the_example_for_a_platform_names_a_server_and_holds_no_credential() -> None:
    settings = environment.enter("prod")
    assert settings.database is None
    assert settings.tracking_uri.startswith("https://")
    assert "AEGIS_SIGNING_KEY_FILE" not in os.environ
    for name in ("dev", "prod"):
        assert checks.credentials_in(environment.values(name)) == []


@pytest.mark.parametrize("name", ["my models", "Übung 100 %", "50% & 'more'"])
def test_a_folder_may_have_any_usual_name(name: str, tmp_path: Path) -> None:
    os.environ["AEGIS_LAPTOP_FOLDER"] = str(tmp_path / name)
    assert environment.enter("dev").database == tmp_path / name / "mlflow.db"


def test_a_relative_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.environ["AEGIS_LAPTOP_FOLDER"] = "here"
    settings = environment.enter("dev")
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/here/mlflow.db"
    assert os.environ["AEGIS_TRUSTED_KEYS"] == str(tmp_path / "here/keys/signing-keys.pub")


def test_variables_that_are_set_win_also_inside_others(folder: Path) -> None:
    os.environ["MLFLOW_PORT"] = "5050"
    settings = environment.enter("dev")
    assert settings.port == 5050
    assert settings.overridden == ("AEGIS_LAPTOP_FOLDER", "MLFLOW_PORT")


@pytest.mark.parametrize("name", ["staging", "", "../dev", "dev/", "DEV"])
def test_an_unknown_environment_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(WorkloadError, match=r"--env must be one of dev, prod, got '"):
        environment.enter(name)


@pytest.mark.parametrize(
    "line", ["no assignment", "=value", "MLFLOW PORT=1", "1X=2", 'X="open', "export", "X Y=s3cret", "- X=s3cret"]
)
def test_a_bad_line_is_named_without_its_content(tmp_path: Path, line: str) -> None:
    with pytest.raises(WorkloadError) as refused:
        environment.values("dev", written(tmp_path, f"# a comment\n\nA=1\n{line}\n"))
    assert str(refused.value) == ".env.dev, line 4: must be NAME=VALUE."


def test_comments_quotes_and_exports_are_read(tmp_path: Path) -> None:
    text = "\n# comment\nexport A=1 # one\nB='two words'\nC=\"${B} and ${A}\"\nD=\n"
    assert environment.values("dev", written(tmp_path, text)) == {
        "A": "1",
        "B": "two words",
        "C": "two words and 1",
        "D": "",
    }


def test_other_bytes_than_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env.dev").write_bytes(b"A=\xff\n")
    with pytest.raises(WorkloadError, match=r"\.env\.dev must be UTF-8 text"):
        environment.values("dev", tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MLFLOW_PORT", "0", "MLFLOW_PORT must be 1 to 65535, got '0'"),
        ("MLFLOW_PORT", "65536", "MLFLOW_PORT must be 1 to 65535, got '65536'"),
        ("MLFLOW_PORT", "tcp://10.0.0.1:5000", "MLFLOW_PORT must be 1 to 65535, got 'tcp://10.0.0.1:5000'"),
        ("AEGIS_SERVING_PORT", "٣", "AEGIS_SERVING_PORT must be 1 to 65535"),
        ("AEGIS_LAPTOP_FOLDER", "", "AEGIS_LAPTOP_FOLDER is not set: it must contain the folder"),
        ("AEGIS_LAPTOP_FOLDER", "what?", "AEGIS_LAPTOP_FOLDER must be a path without ?, got /"),
        ("AEGIS_LAPTOP_FOLDER", "50%25", "AEGIS_LAPTOP_FOLDER must be a path without %25, got /"),
        ("MLFLOW_TRACKING_URI", "", "MLFLOW_TRACKING_URI is not set"),
        ("AEGIS_MODEL_NAME", "", "AEGIS_MODEL_NAME is not set"),
    ],
)
def test_a_bad_value_is_one_clear_line(name: str, value: str, said: str) -> None:
    os.environ[name] = value
    with pytest.raises(WorkloadError) as refused:
        environment.enter("dev")
    assert said in str(refused.value)

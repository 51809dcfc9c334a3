"""The platform's own program with the real engine, up to the first preview."""

import json
import re
import shutil
from pathlib import Path

import pytest

import contracts
from local.servers import Kubernetes
from tests.engine.stack import EngineError, Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The repository's project with a separate stack `local`."""
    shutil.copy(ROOT / "Pulumi.yaml", stack.folder)
    shutil.copytree(ROOT / "stacks", stack.folder / "stacks")
    (stack.folder / "infra").symlink_to(ROOT / "infra")
    images = tmp_path / "images.json"
    images.write_text(json.dumps({name: f"localhost/aegis/{name}:0123456789ab" for name in contracts.IMAGES}))
    monkeypatch.setenv(contracts.IMAGES_FILE_ENV, str(images))
    monkeypatch.delenv(contracts.CONTEXT_ENV, raising=False)
    # The committed salt belongs to another passphrase than that of the tests.
    stack_file = stack.folder / "stacks" / "Pulumi.local.yaml"
    lines = stack_file.read_text().splitlines(keepends=True)
    stack_file.write_text("".join(line for line in lines if not line.startswith("encryptionsalt")))
    stack.run("stack", "init", "local")
    return stack


def configure(stack: Stack, key: str, value: str) -> None:
    stack.run("config", "set", "--stack", "local", "--path", key, value)


def preview(stack: Stack) -> str:
    return stack.run("preview", "--stack", "local", "--non-interactive", "--color", "never", "--suppress-progress")


def test_invalid_settings_fail_a_preview_with_their_keys_and_without_a_traceback(
    program: Stack, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    configure(program, "aegis:cluster.kubeconfig", str(tmp_path / "kubeconfig"))
    configure(program, "aegis:mlflow.workers", "99")
    configure(program, "aegis:backup.scheduled", "daily")
    with pytest.raises(EngineError) as refused:
        preview(program)
    text = str(refused.value)
    assert "aegis:mlflow.workers: got 99; allowed: server processes of each pod, an integer from 1 to 16" in text
    assert "aegis:backup.scheduled: unknown key; did you mean schedule?" in text
    assert "Traceback" not in text
    assert "File " not in text
    # The engine saw only the stack itself.
    assert "+ 1 to create" in text


def test_a_setting_that_must_be_an_object_is_checked_before_the_program_runs(program: Stack) -> None:
    program.run("config", "set", "--stack", "local", "aegis:mlflow", "four workers")
    with pytest.raises(EngineError, match="'mlflow' must be of type 'object'"):
        preview(program)


def test_the_first_preview_shows_all_resources_and_the_addresses_of_the_servers(
    program: Stack, kubernetes: Kubernetes
) -> None:
    configure(program, "aegis:cluster.kubeconfig", str(kubernetes.kubeconfig))
    configure(program, "aegis:vault.transitMount", "ml/signing")
    configure(program, "aegis:vault.authMount", "ml/pods")
    configure(program, "aegis:vault.signingKey", "models")
    configure(program, "aegis:release.modelName", "digits of today")
    text = preview(program)
    for resource in ("Deployment mlflow-server", "StatefulSet postgres-server", "SecretBackendKey signing-key-key"):
        assert f"{resource} create" in text
    assert re.search(r'mlflow_url +: "http://localhost:5000"', text)
    assert "error" not in text

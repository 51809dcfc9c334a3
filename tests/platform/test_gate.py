"""The gate on the platform: every way to a guarded alias with each cause for a refusal, and without Vault."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion

from contracts import Exit
from tests.platform.gated_platform import (
    CHAMPION,
    FORBIDDEN,
    REVOKED_WITHIN,
    Platform,
    refused_everywhere,
    running,
    trusting,
    until,
    without_vault,
)
from tests.support.local_signer import LocalSigner

POLICY = "version: 1\nname: gate-test\nrules:\n  thresholds:\n    quality: {min: 0.5}\n"


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Versions of one model: a release, another one for changes of its files, and copies of the first one."""

    platform: Platform
    signed: ModelVersion
    to_alter: ModelVersion
    unsigned: ModelVersion
    foreign: ModelVersion
    foreign_signer: LocalSigner


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    """Make the versions on the running stack, and remove them at the end."""
    platform = running()
    folder = tmp_path_factory.mktemp("gate")
    signer = LocalSigner()
    try:
        signed, to_alter = (platform.release(quality, folder) for quality in ("0.7", "0.9"))
        yield Versions(
            platform=platform,
            signed=signed,
            to_alter=to_alter,
            unsigned=platform.register(signed, {}),
            foreign=platform.register(signed, platform.evidence(signed, signer, folder)),
            foreign_signer=signer,
        )
    finally:
        platform.remove()


def test_an_unsigned_version_is_refused(versions: Versions) -> None:
    refused_everywhere(versions.platform, versions.signed, versions.unsigned, "it is not signed")


def test_a_version_of_a_foreign_key_is_refused(versions: Versions) -> None:
    refused_everywhere(versions.platform, versions.signed, versions.foreign, "signed with a key that isn't trusted")


def test_a_version_with_one_byte_altered_in_the_bucket_is_refused(versions: Versions) -> None:
    platform, altered = versions.platform, versions.to_alter
    assert platform.give_alias(altered).status == 200
    [key] = [each for each in platform.keys(altered) if each.endswith("/model.py")]
    content = platform.read(key)
    platform.write(key, content[:-1] + bytes([content[-1] ^ 1]))
    try:
        refused_everywhere(platform, versions.signed, altered, "its file model.py was changed")
    finally:
        platform.write(key, content)
    assert platform.give_alias(altered).status == 200


def test_a_key_that_is_taken_out_counts_no_more_within_a_minute(versions: Versions) -> None:
    platform = versions.platform
    assert platform.give_alias(versions.signed).status == 200
    with trusting(versions.foreign_signer.public_key().pem):
        began = time.monotonic()
        until(platform, versions.signed, FORBIDDEN, REVOKED_WITHIN)
        print(f"every pod refuses the revoked key after {time.monotonic() - began:.1f} s")
        refused_everywhere(platform, versions.foreign, versions.signed, "signed with a key that isn't trusted")
    until(platform, versions.signed, 200, REVOKED_WITHIN)


def test_without_vault_promotions_fail_clearly_and_everything_else_goes_on(versions: Versions, tmp_path: Path) -> None:
    platform, number = versions.platform, str(versions.signed.version)
    platform.clear()
    (tmp_path / "policy.yaml").write_text(POLICY)
    promote = ("-m", "workloads.registry", "promote", platform.model, "--version", number, "--policy", "policy.yaml")
    with without_vault():
        failed = platform.command(*promote, folder=tmp_path)
        assert failed.returncode == Exit.VAULT
        errors = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert errors[0].startswith("error: Vault at ")
        assert "Traceback" not in failed.stderr
        assert platform.client.get_registered_model(platform.model).aliases == {}
        assert platform.give_alias(versions.signed).status == 200
        assert platform.give_alias(versions.unsigned).status == FORBIDDEN
        assert platform.client.get_model_version_by_alias(platform.model, CHAMPION).version == number
        address = f"models:/{platform.model}@{CHAMPION}"
        program = f"import aegis; aegis.verify({address!r}); print(aegis.load_model({address!r}).predict([1.5])[0])"
        loaded = platform.command("-c", program, folder=tmp_path)
        assert loaded.stdout.split() == ["2.2"], loaded.stderr
    platform.clear()
    promoted = platform.command(*promote, folder=tmp_path)
    assert promoted.returncode == 0, promoted.stderr
    assert platform.client.get_model_version_by_alias(platform.model, CHAMPION).version == number

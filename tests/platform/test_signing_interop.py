"""Signatures of a real Vault server, verified by the usual tools: cosign, openssl and model-signing."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from contracts import Exit
from local import toolchain
from tests.support.dev_vault import DevVault, dev_vault
from workloads.signing.layout import Layout

ROOT = Path(__file__).parents[2]
# Where cosign would fetch certificates of the public Sigstore: verification with a key must not fetch anything.
NOWHERE = {"TUF_MIRROR": "http://127.0.0.1:1"}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevVault]:
    binary = toolchain.ensure("vault")["vault"]
    with dev_vault(binary, tmp_path_factory.mktemp("vault") / "vault.log") as server:
        yield server


@pytest.fixture(scope="module")
def cosign() -> Path:
    return toolchain.ensure("cosign")["cosign"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "net"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("run_id: 0123\n")
    (directory / ".gitattributes").write_text("*.bin filter=lfs\n")
    (directory / "data" / "weights.bin").write_bytes(os.urandom(3_000_000))
    (directory / "data-sheet ü.md").write_text("# About\n" * 100)
    return directory


@pytest.fixture
def signed(vault: DevVault, model_dir: Path, tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "model.tar.gz")
    run([sys.executable, "-m", "workloads.signing.package_and_sign", model_dir, layout.archive], vault)
    return layout


def run(
    argv: Sequence[str | Path], vault: DevVault | None = None, *, code: int | None = 0
) -> subprocess.CompletedProcess[str]:
    env = os.environ | NOWHERE | {"PYTHONPATH": str(ROOT)} | (vault.environment() if vault else {})
    result = subprocess.run(
        [str(argument) for argument in argv], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if code is not None:
        assert result.returncode == code, result.stderr
    return result


def accepts(argv: Sequence[str | Path]) -> bool:
    return run(argv, code=None).returncode == 0


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def public_key(layout: Layout, version: int | None = None) -> Path:
    return layout.public_key(version or json.loads(layout.manifest.read_bytes())["key"]["version"])


def cosign_bundle(cosign: Path, layout: Layout) -> list[str | Path]:
    # Before 3.0.4, cosign asks for trusted certificates although it doesn't need any with a key: give it an empty list.
    root = layout.archive.with_name("no-certificates.json")
    run([cosign, "trusted-root", "create", "--out", root])
    options = ["--bundle", layout.bundle, "--new-bundle-format", "--trusted-root", root, "--insecure-ignore-tlog=true"]
    return [cosign, "verify-blob", "--key", public_key(layout), *options, layout.archive]


def cosign_signature(cosign: Path, layout: Layout, signature: Path, blob: Path) -> list[str | Path]:
    options = ["--signature", signature, "--insecure-ignore-tlog=true"]
    return [cosign, "verify-blob", "--key", public_key(layout), *options, blob]


def openssl(layout: Layout) -> list[str | Path]:
    der = layout.archive.with_name("sig.der")
    der.write_bytes(base64.b64decode(layout.signature.read_bytes()))
    return ["openssl", "dgst", "-sha256", "-verify", public_key(layout), "-signature", der, layout.archive]


def model_signing(layout: Layout, directory: Path) -> list[str | Path]:
    command = Path(sys.executable).with_name("model_signing")
    options = ["--public_key", public_key(layout), "--signature", layout.model_signature]
    return [command, "verify", "key", directory, *options]


def test_cosign_accepts_the_bundle_and_refuses_a_changed_byte(cosign: Path, signed: Layout) -> None:
    assert accepts(cosign_bundle(cosign, signed))
    change_a_byte(signed.archive)
    assert not accepts(cosign_bundle(cosign, signed))


def test_cosign_accepts_the_signature_and_refuses_a_changed_byte(cosign: Path, signed: Layout) -> None:
    argv = cosign_signature(cosign, signed, signed.signature, signed.archive)
    assert accepts(argv)
    change_a_byte(signed.archive)
    assert not accepts(argv)


def test_cosign_accepts_the_signature_of_the_manifest(cosign: Path, signed: Layout) -> None:
    argv = cosign_signature(cosign, signed, signed.manifest_signature, signed.manifest)
    assert accepts(argv)
    change_a_byte(signed.manifest)
    assert not accepts(argv)


def test_openssl_accepts_the_signature_and_refuses_a_changed_byte(signed: Layout) -> None:
    assert accepts(openssl(signed))
    change_a_byte(signed.archive)
    assert not accepts(openssl(signed))


def test_model_signing_accepts_the_directory_and_refuses_a_changed_byte(
    signed: Layout, model_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model_dir, copy)
    assert accepts(model_signing(signed, copy))
    change_a_byte(copy / "data" / "weights.bin")
    assert not accepts(model_signing(signed, copy))


def test_model_signing_accepts_an_extracted_archive(signed: Layout, tmp_path: Path) -> None:
    extracted = tmp_path / "extracted"
    argv = [sys.executable, "-m", "workloads.signing.verify", signed.archive, "--key", public_key(signed)]
    run([*argv, "--extract", extracted])
    assert accepts(model_signing(signed, extracted))
    (extracted / "more.bin").write_bytes(b"x")
    assert not accepts(model_signing(signed, extracted))


def test_standard_tar_extracts_the_archive(signed: Layout, model_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "by-tar"
    target.mkdir()
    run(["tar", "xzf", signed.archive, "-C", target])
    run(["diff", "-r", model_dir, target])


def test_our_verification_accepts_and_refuses_a_changed_byte(signed: Layout) -> None:
    argv = [sys.executable, "-m", "workloads.signing.verify", signed.archive, "--key", public_key(signed)]
    run(argv)
    change_a_byte(signed.archive)
    assert "weights.bin in the archive is not what was signed" in run(argv, code=Exit.NOT_VERIFIED).stderr


def test_signatures_from_before_a_key_rotation_stay_valid(
    vault: DevVault, cosign: Path, signed: Layout, model_dir: Path
) -> None:
    before = public_key(signed)
    vault.rotate()
    newer = Layout(signed.archive.with_name("newer.tar.gz"))
    run([sys.executable, "-m", "workloads.signing.package_and_sign", model_dir, newer.archive], vault)
    assert public_key(newer) != before
    for layout in (signed, newer):
        assert accepts(cosign_bundle(cosign, layout))
        assert accepts(openssl(layout))


def test_the_signer_can_do_nothing_but_sign(vault: DevVault, model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tar.gz"
    argv = [sys.executable, "-m", "workloads.signing.package_and_sign", model_dir, out, "--key-name", "another"]
    assert "denies permission to read transit/keys/another" in run(argv, vault, code=Exit.VAULT).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dead_vault_leaves_no_files_behind(vault: DevVault, model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.tar.gz"
    address = {"VAULT_ADDR": "http://127.0.0.1:1"}
    argv = [sys.executable, "-m", "workloads.signing.package_and_sign", model_dir, out]
    env = os.environ | vault.environment() | address | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([str(a) for a in argv], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == Exit.VAULT
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert list(tmp_path.iterdir()) == []

"""Any argument, variable, file or answer of Vault leads to one line and an exit code, never to the token."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import Env, Exit
from tests.support import fuzz
from tests.support.fake_vault import TOKEN, FakeVault, fake_vault
from tests.support.local_signer import LocalSigner
from workloads import retry
from workloads.signing import __main__ as signing
from workloads.signing import package, package_and_sign, packing, sign, verify
from workloads.signing.layout import Layout

QUICK = settings(max_examples=30, deadline=None)
COMMANDS = [signing.main, package.main, sign.main, package_and_sign.main, verify.main]
BESIDE = ("archive", "manifest", "manifest_signature", "signature", "bundle", "model_signature")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVault]:
    with fake_vault() as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        patch.setattr(retry, "LONGEST_WAIT_SECONDS", 0)
        patch.setenv(Env.VAULT_ADDR, server.address)
        patch.setenv(Env.VAULT_TOKEN, TOKEN)
        yield server


@contextmanager
def folder() -> Iterator[tuple[Path, Path]]:
    """A temporary folder with a small model, and the path of its archive."""
    with tempfile.TemporaryDirectory() as name:
        model = Path(name, "net")
        model.mkdir()
        (model / "weights.bin").write_bytes(b"weights" * 100)
        (model / "MLmodel").write_text("run_id: 0123abc\n")
        yield model, Path(name, "net.tar.gz")


def signed_set(signer: LocalSigner) -> dict[str, bytes]:
    """Return the files of a signed archive by their names in the layout, and the public key as `key`."""
    with folder() as (model, out):
        packing.package_and_sign(model, out, {"run_id": "r", "metrics": {"loss": 0.5}}, signer)
        layout = Layout(out)
        return {name: getattr(layout, name).read_bytes() for name in BESIDE} | {"key": signer.public_key().pem}


SIGNER = LocalSigner()
SIGNED = signed_set(SIGNER)


def lay(out: Path, files: dict[str, bytes]) -> Path:
    """Write the files of a signed archive; return the path of the key."""
    for name in BESIDE:
        getattr(Layout(out), name).write_bytes(files[name])
    key = out.with_name("key.pub")
    key.write_bytes(files["key"])
    return key


@pytest.mark.parametrize("main", COMMANDS)
@QUICK
@given(argv=st.lists(st.one_of(fuzz.os_text, st.sampled_from(["--json", "--key", "--run", "--mount", "--extract"]))))
def test_no_argument_gives_a_traceback(vault: FakeVault, main: fuzz.Main, argv: Sequence[str]) -> None:
    fuzz.run_command(main, argv, secrets=[TOKEN])


@QUICK
@given(name=fuzz.os_text, model=fuzz.os_text, run=fuzz.os_text, key=fuzz.os_text, mount=fuzz.os_text)
def test_no_value_of_an_argument_gives_a_traceback(
    vault: FakeVault, name: str, model: str, run: str, key: str, mount: str
) -> None:
    with folder() as (model_dir, out):
        lay(out, SIGNED)
        archive = str(out.parent) + "/" + name.replace("..", "") + ".tar.gz"
        fuzz.run_command(package.main, [str(model_dir), archive], secrets=[TOKEN])
        fuzz.run_command(package.main, [str(model_dir), archive, f"--run={run}"], secrets=[TOKEN])
        fuzz.run_command(sign.main, [str(out), f"--key-name={key}", f"--mount={mount}"], secrets=[TOKEN])
        argv = [str(out), f"--key={out.with_name('key.pub')}", f"--model={model}", f"--run={run}"]
        fuzz.run_command(verify.main, [*argv, f"--extract={archive}"], secrets=[TOKEN])


@QUICK
@given(
    environment=st.dictionaries(
        st.sampled_from([value for name, value in vars(Env).items() if "VAULT" in name]), fuzz.os_text, min_size=1
    ),
    log_level=st.one_of(st.just("INFO"), fuzz.os_text),
    commit=fuzz.os_text,
)
def test_no_variable_gives_a_traceback(
    vault: FakeVault, environment: dict[str, str], log_level: str, commit: str
) -> None:
    # A valid address would be contacted.
    address = environment.pop(Env.VAULT_ADDR, None)
    variables = environment | {"AEGIS_LOG_LEVEL": log_level, Env.GIT_COMMIT: commit}
    if address is not None:
        variables[Env.VAULT_ADDR] = f"http://127.0.0.1:1{address}"
    with folder() as (model_dir, out):
        fuzz.run_command(package_and_sign.main, [str(model_dir), str(out)], variables, [TOKEN])


@pytest.mark.parametrize("token", [f"{TOKEN}-secret\n", "two words-secret", "ü-secret", "a\nb-secret", "\udc80-secret"])
@pytest.mark.parametrize("main", [sign.main, package_and_sign.main])
def test_a_token_that_cannot_be_sent_is_never_printed(vault: FakeVault, main: fuzz.Main, token: str) -> None:
    with folder() as (model_dir, out):
        lay(out, SIGNED)
        argv = [str(out)] if main is sign.main else [str(model_dir), str(out)]
        said = fuzz.run_command(main, argv, {Env.VAULT_TOKEN: token}, ["secret"])
    assert said.code == (Exit.VAULT if token.endswith("\n") else Exit.USAGE)


@QUICK
@given(content=fuzz.json_text)
def test_no_run_file_gives_a_traceback(content: bytes) -> None:
    with folder() as (model_dir, out):
        run = out.with_name("run.json")
        run.write_bytes(content)
        said = fuzz.run_command(package.main, [str(model_dir), str(out), "--run", str(run)])
        assert said.code in {Exit.OK, Exit.USAGE}


@QUICK
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                "metadata: {released: 2024-02-30}",
                "[" * 3000,
                "run_id: &a [*a]",
                'run_id: "\\ud800"',
                "{[a]: b}",
                "a: !!int x",
            ]
        ).map(str.encode),
    )
)
def test_no_mlmodel_file_gives_a_traceback(content: bytes) -> None:
    with folder() as (model_dir, out):
        (model_dir / "MLmodel").write_bytes(content)
        assert fuzz.run_command(package.main, [str(model_dir), str(out)]).code == Exit.OK


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from([*BESIDE, "key"]))
def test_no_damaged_file_gives_a_traceback(vault: FakeVault, data: st.DataObject, name: str) -> None:
    with folder() as (_, out):
        changed = data.draw(fuzz.damaged(SIGNED[name]))
        key = lay(out, SIGNED | {name: changed})
        said = fuzz.run_command(verify.main, [str(out), "--key", str(key), "--json"], secrets=[TOKEN])
        if name != "key":
            assert said.code == (Exit.OK if changed == SIGNED[name] else Exit.NOT_VERIFIED)
        fuzz.run_command(sign.main, [str(out)], secrets=[TOKEN])


ANSWERS = {
    "keys": {"data": {"type": "ecdsa-p256", "latest_version": 1, "keys": {"1": {"public_key": "PEM"}}}},
    "sign": {"data": {"batch_results": [{"signature": "vault:v1:AAAA"}] * 3}},
}
PLACES = [(name, path) for name, answer in ANSWERS.items() for path in [(), *fuzz.paths(answer)]]


@QUICK
@given(
    place=st.sampled_from(PLACES),
    value=st.one_of(
        fuzz.json_values, st.sampled_from([fuzz.LEFT_OUT, f"{TOKEN} is wrong", "vault:v1:!", "vault:v2:AA"])
    ),
    status=st.sampled_from([200, 200, 200, 202, 302, 400, 403, 404, 500]),
    content=st.one_of(st.none(), fuzz.json_text, st.just(f"<html>{TOKEN}</html>".encode())),
)
def test_no_answer_of_vault_gives_a_traceback(
    vault: FakeVault, place: tuple[str, tuple[str | int, ...]], value: object, status: int, content: bytes | None
) -> None:
    asked, path = place

    def spoil(address: str, good: object) -> tuple[int, object]:
        if f"/{asked}/" not in address:
            return 200, good
        return status, fuzz.replaced(good, path, value) if content is None else content

    vault.spoil = spoil
    try:
        with folder() as (model_dir, out):
            said = fuzz.run_command(package_and_sign.main, [str(model_dir), str(out)], secrets=[TOKEN])
            assert said.code in {Exit.OK, Exit.VAULT}
            assert said.code == Exit.OK or list(out.parent.iterdir()) == [model_dir]
    finally:
        vault.spoil = None


def test_a_verdict_is_one_json_object_on_stdout_whatever_the_reason(tmp_path: Path) -> None:
    said = fuzz.run_command(
        verify.main, [str(tmp_path / "a\nb.tar.gz"), "--key", str(lay(tmp_path / "c.tar.gz", SIGNED)), "--json"]
    )
    assert said.code == Exit.NOT_VERIFIED
    assert json.loads(said.out)["verified"] is False

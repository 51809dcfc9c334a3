"""Versions that are not what was signed are refused before their code runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import aegis
from aegis import NotVerifiedError
from tests.support.local_signer import LocalSigner
from tests.support.signed_version import RUN_ID, Signed


def refusal(signed: Signed, *, deep: bool = True) -> str:
    with pytest.raises(NotVerifiedError) as refused:
        aegis.verify(signed.uri, keys=signed.key, deep=deep)
    prefix = f"{signed.name} version {signed.number} is NOT verified: "
    assert str(refused.value).startswith(prefix)
    return str(refused.value).removeprefix(prefix)


def one_byte(signed: Signed) -> None:
    path = signed.files / "data" / "weights of é.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def code(signed: Signed) -> None:
    (path,) = (signed.files / "code").iterdir()
    path.write_text(path.read_text().replace("data * 2", "data * 3"))


@pytest.mark.parametrize("change", [one_byte, code])
def test_changed_bytes_of_the_same_size_pass_the_listing_only(
    signed: Signed, change: Callable[[Signed], None], scratch: Path
) -> None:
    change(signed)
    assert not aegis.verify(signed.uri, keys=signed.key, deep=False).deep
    assert "was changed after it was signed" in refusal(signed)
    with pytest.raises(NotVerifiedError):
        aegis.load_model(signed.uri, keys=signed.key)
    assert not signed.marker.exists()
    assert list(scratch.iterdir()) == []


def added(signed: Signed) -> str:
    (signed.files / "code" / "sitecustomize.py").write_text("")
    return "the file 'code/sitecustomize.py' was added after it was signed"


def removed(signed: Signed) -> str:
    (signed.files / "MLmodel").unlink()
    return "its file MLmodel is missing"


def longer(signed: Signed) -> str:
    (signed.files / "empty").write_text("x")
    return "its file empty was changed after it was signed: its size differs"


def unsigned(signed: Signed) -> str:
    for name in signed.tags:
        signed.client.delete_model_version_tag(signed.name, signed.number, name)
    return "it is not signed"


def odd_name(signed: Signed) -> str:
    (signed.files / "a\x1b[2Jb\n").touch()
    return r"the file 'a\x1b[2Jb\n' was added after it was signed"


def many(signed: Signed) -> str:
    for number in range(30):
        (signed.files / "data" / f"{number:02}").touch()
    return "the file 'data/00' was added after it was signed"


def foreign_key(signed: Signed) -> str:
    signed.sign(signed.files, signer=LocalSigner())
    return "its manifest was changed, or signed with a key that isn't trusted (trusted: version 1)"


def other_model(signed: Signed) -> str:
    signed.sign(shutil.copytree(signed.files, signed.files.with_name("other")))
    return f"it was signed as model 'other', not '{signed.name}'"


def other_run(signed: Signed) -> str:
    signed.sign(signed.files, run_id="other")
    return f"it was signed as run 'other', not '{RUN_ID}'"


def other_version(signed: Signed) -> str:
    """The evidence of a version with other weights, from the same run."""
    other = shutil.copytree(signed.files, signed.files.parent / "later" / signed.name)
    (other / "empty").write_text("not empty")
    signed.sign(other)
    return "its file empty was changed after it was signed: its size differs"


def link(signed: Signed) -> str:
    """A link to another file is read as what it leads to, which must be what was signed."""
    (signed.files / "empty").unlink()
    (signed.files / "empty").symlink_to("/etc/hostname")
    return "its file empty was changed after it was signed: its size differs"


@pytest.mark.parametrize(
    "change",
    [
        added,
        removed,
        longer,
        unsigned,
        odd_name,
        many,
        foreign_key,
        other_model,
        other_run,
        other_version,
        link,
    ],
)
def test_a_version_that_is_not_what_was_signed_is_refused_before_its_code_runs(
    signed: Signed, change: Callable[[Signed], str], scratch: Path, tmp_path: Path
) -> None:
    reason = change(signed)
    assert refusal(signed) == reason
    assert refusal(signed, deep=False) == reason
    with pytest.raises(NotVerifiedError):
        aegis.load_model(f"models:/{signed.name}@champion", keys=signed.key)
    with pytest.raises(NotVerifiedError):
        aegis.download(signed.uri, tmp_path / "new" / "copy", keys=signed.key)
    assert not signed.marker.exists()
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_evidence_copied_to_an_unsigned_version_with_other_files_does_not_help(signed: Signed, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "MLmodel").write_text("flavors: {}\n")
    version = signed.client.create_model_version(signed.name, source=other.as_uri(), run_id=RUN_ID, tags=signed.tags)
    with pytest.raises(NotVerifiedError, match="its file MLmodel was changed after it was signed"):
        aegis.verify(f"models:/{signed.name}/{version.version}", keys=signed.key, deep=False)


def test_files_at_another_server_are_not_asked_for(signed: Signed) -> None:
    """MLflow would send the tracking server's credentials there."""
    for source in ("http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/x", "mlflow-artifacts://127.0.0.1:9/x"):
        version = signed.client.create_model_version(signed.name, source=source, run_id=RUN_ID, tags=signed.tags)
        with pytest.raises(
            NotVerifiedError, match=r"its files are at 127\.0\.0\.1:9, which is not the tracking server"
        ):
            aegis.verify(f"models:/{signed.name}/{version.version}", keys=signed.key)

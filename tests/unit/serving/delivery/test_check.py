"""The check before a server starts accepts only what was signed, without a network."""

import os
import shutil
from collections.abc import Callable

import pytest

from contracts import Exit
from tests.unit.serving.delivery.conftest import Delivery

Change = Callable[[Delivery], object]

WEIGHTS = "data/weights of é.bin"


def _flip(delivery: Delivery) -> None:
    path = delivery.model / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _link(delivery: Delivery) -> None:
    """Replace a file by a link to the same content."""
    path = delivery.model / WEIGHTS
    path.rename(delivery.folder / "elsewhere")
    path.symlink_to(delivery.folder / "elsewhere")


def _link_folder(delivery: Delivery) -> None:
    delivery.model.rename(delivery.folder / "elsewhere")
    delivery.model.symlink_to(delivery.folder / "elsewhere")


def _evidence(content: str) -> Change:
    return lambda delivery: (delivery.folder / "evidence" / "version.json").write_text(content)


CHANGES: dict[str, tuple[Change, str]] = {
    "an altered byte": (_flip, f"its file {WEIGHTS} was changed after it was signed"),
    "an extra file": (lambda d: (d.model / "extra").touch(), "the file 'extra' was added after it was signed"),
    "a missing file": (lambda d: (d.model / "empty").unlink(), "its file empty is missing"),
    "a link to a file": (_link, f"{WEIGHTS!r} is not a regular file"),
    "a pipe": (lambda d: os.mkfifo(d.model / "pipe"), "'pipe' is not a regular file"),
    "a link to the folder": (_link_folder, "is not a folder"),
    "no model": (lambda d: shutil.rmtree(d.model), "is not a folder"),
    "no evidence": (lambda d: shutil.rmtree(d.folder / "evidence"), "is missing: the delivery isn't complete"),
    "evidence that is no JSON": (_evidence("{"), "is not JSON"),
    "evidence that is another object": (_evidence("{}"), "is not the evidence of a version"),
    "evidence without a signature": (
        _evidence('{"name": "a", "version": "1", "run_id": null, "tags": {}}'),
        "it is not signed",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_but_the_signed_files_is_refused_in_one_line(
    delivery: Delivery, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.run()
    capsys.readouterr()
    spoil, reason = CHANGES[change]
    spoil(delivery)
    assert delivery.check() == Exit.NOT_VERIFIED
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {delivery.model} is NOT verified: ")
    assert reason in line


def test_a_revoked_key_and_another_name_are_refused(delivery: Delivery) -> None:
    delivery.run()
    assert delivery.check("--name", "another") == Exit.NOT_VERIFIED
    delivery.signed.signer.rotate()
    delivery.trust(delivery.signed.signer)
    assert delivery.check() == Exit.NOT_VERIFIED


def test_without_trusted_keys_nothing_is_accepted(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.run()
    monkeypatch.delenv("AEGIS_TRUSTED_KEYS")
    assert delivery.check() == Exit.USAGE


def test_the_check_needs_no_server(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.run()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert delivery.check("--name", delivery.signed.name) == Exit.OK

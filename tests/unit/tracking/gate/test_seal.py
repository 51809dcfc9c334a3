"""The seals: none passes that this server didn't make for these very files."""

import threading
import time
from pathlib import Path

import pytest

from aegis.errors import NotVerifiedError
from tests.support.gated_server import FILES, GatedServer, Models, Version, gated_store
from tests.support.local_signer import LocalSigner
from workloads.tracking.gate import gate, listing, readings
from workloads.tracking.gate.listing import Listing, StoredFile
from workloads.tracking.gate.local_folder import LocalFolder
from workloads.tracking.gate.readings import Readings
from workloads.tracking.gate.refusal import UnfinishedError
from workloads.tracking.gate.seal import Sealer
from workloads.tracking.gate.subject import SEAL_TAG, Subject

ALTERED = FILES["data/weights.bin"][:-1] + b"\0"


def moves(server: GatedServer, version: Version) -> int:
    path = "api/2.0/mlflow/registered-models/alias"
    return server.call("POST", path, name=version.name, alias="champion", version=version.number).status


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files that are read."""
    read: list[str] = []
    sha256 = LocalFolder.sha256

    def noted(folder: LocalFolder, file: StoredFile) -> str:
        read.append(file.path)
        return sha256(folder, file)

    monkeypatch.setattr(LocalFolder, "sha256", noted)
    return read


def forget() -> None:
    """Make the server forget what it has read, as after a restart."""
    gated_store()._gate._readings = Readings()


def test_only_the_first_move_reads_the_files(
    server: GatedServer, models: Models, signer: LocalSigner, reads: list[str]
) -> None:
    version = models.signed(signer)
    assert moves(server, version) == moves(server, version) == 200
    forget()
    assert moves(server, version) == 200
    assert sorted(reads) == sorted(FILES)
    models.put(f"{version.folder}/MLmodel", FILES["MLmodel"])
    assert moves(server, version) == 200
    assert len(reads) == 2 * len(FILES)


def test_files_that_have_just_changed_are_not_sealed(
    server: GatedServer, models: Models, signer: LocalSigner, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SETTLED_AFTER", 3600)
    version = models.signed(signer)
    assert moves(server, version) == moves(server, version) == 200
    assert len(reads) == 2 * len(FILES)
    assert SEAL_TAG not in models.read(version).tags


@pytest.mark.parametrize("forged", ["", "0" * 64, "é", "x" * 5000])
def test_a_forged_seal_doesn_t_pass(server: GatedServer, models: Models, signer: LocalSigner, forged: str) -> None:
    version = models.signed(signer)
    models.put(f"{version.folder}/data/weights.bin", ALTERED)
    server.client.set_model_version_tag(version.name, version.number, SEAL_TAG, forged)
    assert moves(server, version) == 403
    models.put(f"{version.folder}/data/weights.bin", FILES["data/weights.bin"])
    assert moves(server, version) == 200
    assert models.read(version).tags[SEAL_TAG] != forged


def test_a_replayed_seal_doesn_t_pass(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    version, other = models.signed(signer), models.signed(signer)
    assert moves(server, version) == moves(server, other) == 200
    seal = models.read(version).tags[SEAL_TAG]
    models.put(f"{version.folder}/data/weights.bin", ALTERED)
    assert moves(server, version) == 403
    for replayed in (seal, models.read(other).tags[SEAL_TAG]):
        server.client.set_model_version_tag(version.name, version.number, SEAL_TAG, replayed)
        forget()
        assert moves(server, version) == 403


def test_a_seal_covers_all_that_it_stands_for() -> None:
    def subject(workspace: str = "default", name: str = "net", version: int = 1, location: str = "s3://b/a") -> Subject:
        return Subject(
            workspace=workspace, name=name, version=version, identity=(location, location, "run", 1), tags={}
        )

    sealer = Sealer(b"secret")
    seals = {
        sealer.seal(subject(), "content", "listing"),
        sealer.seal(subject(), "content", "other"),
        sealer.seal(subject(), "other", "listing"),
        sealer.seal(subject(workspace="w"), "content", "listing"),
        sealer.seal(subject(name="ne", version=11), "content", "listing"),
        sealer.seal(subject(version=2), "content", "listing"),
        sealer.seal(subject(location="s3://b/b"), "content", "listing"),
        Sealer(b"other").seal(subject(), "content", "listing"),
    }
    assert len(seals) == 8


def test_a_fingerprint_covers_path_size_and_change() -> None:
    def fingerprint(*rows: tuple[str, int, str]) -> str:
        files = tuple(StoredFile(path=path, size=size, change=(change,)) for path, size, change in rows)
        return Listing(files=files, changed=0, taken=0).fingerprint

    a, b = ("a", 1, "t"), ("b", 2, "t")
    assert fingerprint(a, b) == fingerprint(b, a)
    different = {
        fingerprint(a),
        fingerprint(b),
        fingerprint(("a", 2, "t")),
        fingerprint(("a", 1, "u")),
        fingerprint(a, b),
    }
    assert len(different) == 5


def test_files_changed_while_they_are_read_are_not_sealed(
    server: GatedServer, models: Models, signer: LocalSigner, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = models.signed(signer)
    sha256 = LocalFolder.sha256

    def swapped(folder: LocalFolder, file: StoredFile) -> str:
        digest = sha256(folder, file)
        models.put(f"{version.folder}/data/weights.bin", ALTERED)
        return digest

    monkeypatch.setattr(LocalFolder, "sha256", swapped)
    assert moves(server, version) in {403, 503}
    assert SEAL_TAG not in models.read(version).tags
    assert models.read(version).aliases == []


def test_a_long_reading_goes_on_after_503(
    server: GatedServer, models: Models, signer: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = models.signed(signer)
    forget()
    gate_of_reader, calls, sha256 = threading.Event(), [], LocalFolder.sha256

    def slow(folder: LocalFolder, file: StoredFile) -> str:
        calls.append(file.path)
        gate_of_reader.wait(10)
        return sha256(folder, file)

    monkeypatch.setattr(gated_store()._gate, "_readings", Readings(patience=0.05))
    monkeypatch.setattr(LocalFolder, "sha256", slow)
    path = "api/2.0/mlflow/registered-models/alias"
    for _ in range(2):
        answer = server.call("POST", path, name=version.name, alias="champion", version=version.number)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "its files are still being read" in answer.message
    assert sorted(calls) == sorted(FILES)
    gate_of_reader.set()
    for _ in range(100):
        if SEAL_TAG in models.read(version).tags:
            break
        time.sleep(0.02)
    assert moves(server, version) == 200
    assert sorted(calls) == sorted(FILES)


def test_a_failed_long_reading_is_remembered_until_the_files_change() -> None:
    calls: list[int] = []

    def read() -> None:
        calls.append(1)
        raise NotVerifiedError("changed")

    kept = Readings()
    for _ in range(2):
        with pytest.raises(NotVerifiedError):
            kept.wait("seal", read, remember=True)
    assert len(calls) == 1
    with pytest.raises(NotVerifiedError):
        kept.wait("fresh", read, remember=False)
    with pytest.raises(NotVerifiedError):
        kept.wait("fresh", read, remember=False)
    assert len(calls) == 3


def test_an_error_of_the_store_is_not_remembered() -> None:
    answers = [OSError("disk"), None]

    def read() -> None:
        if (error := answers.pop(0)) is not None:
            raise error

    kept = Readings()
    with pytest.raises(OSError, match="disk"):
        kept.wait("seal", read, remember=True)
    kept.wait("seal", read, remember=True)
    assert answers == []


def test_the_readings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_MOST", 2)
    done = threading.Event()

    def read() -> None:
        done.wait(10)

    kept = Readings(patience=0.01)
    for name in ("a", "b"):
        with pytest.raises(UnfinishedError, match="still being read"):
            kept.wait(name, read, remember=True)
    with pytest.raises(UnfinishedError, match="other versions"):
        kept.wait("c", lambda: None, remember=True)
    done.set()


def test_the_evidence_is_checked_again_with_other_keys(
    server: GatedServer, models: Models, signer: LocalSigner
) -> None:
    version = models.signed(signer)
    gate._check_evidence.cache_clear()
    assert moves(server, version) == moves(server, version) == 200
    assert gate._check_evidence.cache_info().misses == 1
    server.trust(LocalSigner(), 1)
    assert moves(server, version) == 403


def test_a_mounted_config_map_is_followed(server: GatedServer, models: Models, signer: LocalSigner) -> None:
    """The kubelet puts each state of a ConfigMap into a new folder, and swaps the link `..data` to it."""
    version = models.signed(signer)
    file = server.keys / "signing-keys.pem"
    for number, trusted in enumerate((signer, LocalSigner(), signer)):
        state = server.keys / f"..state-{number}"
        state.mkdir()
        (state / file.name).write_bytes(trusted.public_key().pem)
        (server.keys / "..new").symlink_to(state.name)
        (server.keys / "..new").rename(server.keys / "..data")
        file.unlink()
        file.symlink_to(f"..data/{file.name}")
        assert moves(server, version) == (200 if trusted is signer else 403)
    file.unlink()


def test_a_reading_without_a_thread_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    many, done = Readings(), list[str]()
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", full)
        with pytest.raises(UnfinishedError, match="no thread can be started"):
            many.wait("model", lambda: done.append("read"), remember=True)
        with pytest.raises(UnfinishedError, match="no thread can be started"):
            readings.for_each("ab", done.append)
    many.wait("model", lambda: done.append("read"), remember=True)
    assert done == ["read"]

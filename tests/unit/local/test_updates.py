"""Progress and errors come from the engine's event log, which is read while the engine writes it.

The recordings are of engine 3.250.0 and the embedded `random` plugin, on programs with a component `vault` that has a
password `token` and an identifier `id`: an update that creates them, one that fails on an invalid resource `broken`,
and the destruction.
"""

import json
import time
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

import engine_events
from engine_events import FormError
from local import progress, updates
from local.updates import Update

RECORDINGS = Path(__file__).parent / "recordings"


def replay(file: Path) -> Update:
    update = Update()
    with progress.step("Up") as step:
        for event in updates.follow(file, lambda: False):
            update.take(event, step)
    return update


def recorded(name: str) -> Update:
    return replay(RECORDINGS / f"{name}.ndjson")


def noted(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    return [line.strip() for line in lines if line.startswith("  ")]


def log(folder: Path, *events: dict[str, object]) -> Path:
    file = folder / "events.jsonl"
    file.write_text("".join(json.dumps({"sequence": number, **event}) + "\n" for number, event in enumerate(events)))
    return file


def step_event(kind: str, op: str, timestamp: int) -> dict[str, object]:
    urn = "urn:pulumi:local::aegis::aegis:index:Tracking$kubernetes:apps/v1:Deployment::mlflow"
    return {"timestamp": timestamp, kind: {"metadata": {"op": op, "urn": urn, "new": {"custom": True}}}}


def diagnostic(severity: str, message: str, urn: str = "", **more: object) -> dict[str, object]:
    return {"diagnosticEvent": {"severity": severity, "message": message, "urn": urn, **more}}


@pytest.mark.parametrize(
    ("recording", "notes", "changed"),
    [
        ("creates", ["RandomId id created", "RandomPassword token created"], 2),
        ("fails", ["RandomId id replaced"], 1),
        ("destroys", ["RandomPassword token deleted", "RandomId id deleted"], 2),
    ],
)
def test_each_changed_resource_is_noted_and_counted_once(
    recording: str, notes: list[str], changed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    update = recorded(recording)
    assert noted(capsys) == notes
    assert len(update.changed) == changed


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0, "updated"), (3, "updated in 3 s"), (200, "updated in 3 min 20 s")]
)
def test_an_outcome_has_its_duration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: int, outcome: str
) -> None:
    events = step_event("resourcePreEvent", "update", 1000), step_event("resOutputsEvent", "update", 1000 + seconds)
    replay(log(tmp_path, *events))
    assert noted(capsys) == [f"Deployment mlflow {outcome}"]


@pytest.mark.parametrize("operation", ["same", "refresh", "read", "discard", "one of a later engine"])
def test_an_operation_that_changes_nothing_is_not_counted(tmp_path: Path, operation: str) -> None:
    assert not replay(log(tmp_path, step_event("resOutputsEvent", operation, 0))).changed


def test_every_error_is_listed_once_below_its_resource() -> None:
    assert recorded("fails").diagnosis() == [
        "RandomPassword token:",
        "  error: out of luck",
        "  and of time",
        "RandomId broken:",
        "  error: byteLength is -1, it must be a whole number of at least 1",
        "on stderr",
        "error: update failed",
    ]


def test_a_long_error_is_complete_and_a_repeated_one_listed_once(tmp_path: Path) -> None:
    trace = "error: the program failed\n" + "\n".join(f"  at line {number}" for number in range(200))
    events = [diagnostic("error", trace, prefix="error: ")] * 2
    assert replay(log(tmp_path, *events)).diagnosis() == trace.splitlines()


def test_warnings_are_listed_only_for_failed_resources(tmp_path: Path) -> None:
    failed, other = (f"urn:pulumi:local::aegis::kubernetes:apps/v1:Deployment::{name}" for name in ("mlflow", "vault"))
    events = [
        diagnostic("warning", "the image can't be pulled\n", failed),
        diagnostic("warning", "slow\n", other),
        diagnostic("info", "starting\n", failed),
        diagnostic("error", "<{%fg 1%}>timed out<{%reset%}>\n", failed),
    ]
    assert replay(log(tmp_path, *events)).diagnosis() == [
        "Deployment mlflow:",
        "  warning: the image can't be pulled",
        "  error: timed out",
    ]


def test_pieces_of_a_stream_are_joined(tmp_path: Path) -> None:
    pieces = [diagnostic("info#err", text, streamId=7) for text in ("Segmenta", "tion fault\n")]
    assert replay(log(tmp_path, *pieces, diagnostic("error", "exit code 139"))).diagnosis() == [
        "Segmentation fault",
        "error: exit code 139",
    ]


def test_a_warning_about_each_plugin_on_path_is_left_out(tmp_path: Path) -> None:
    plugin = diagnostic("warning", "using pulumi-resource-random from $PATH at /some/where\n")
    assert replay(log(tmp_path, plugin, diagnostic("error", "no\n"))).diagnosis() == ["error: no"]


@pytest.mark.parametrize("recording", ["creates", "fails", "destroys"])
def test_a_secret_in_a_debug_message_is_not_shown(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    [secret] = set(_plain_tokens())
    shown = "\n".join(recorded(recording).diagnosis()) + capsys.readouterr().err
    assert secret not in shown
    assert "registering resource" not in shown


def _plain_tokens() -> list[str]:
    """Return the plain-text password of the recordings' debug messages; each one is followed by a signature, 1b47..."""
    texts = [(RECORDINGS / f"{name}.ndjson").read_text() for name in ("creates", "fails")]
    return [
        part.partition('\\"')[0] for text in texts for part in text.split('string_value: \\"')[1:] if part[:4] != "1b47"
    ]


def test_progress_is_live_and_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    file, ended, seen = tmp_path / "events.jsonl", Flag(), list[int]()

    def read() -> None:
        seen.extend(event["sequence"] for event in updates.follow(file, lambda: not ended.is_set()))

    reader = Thread(target=read)
    reader.start()
    with file.open("w") as engine:
        for text, count in (('{"sequence": 0}\n{"sequ', 1), ('ence": 1}\n', 2), ('{"sequence": 2}\n{"sequ', 3)):
            engine.write(text)
            engine.flush()
            deadline = time.monotonic() + 10
            while len(seen) < count and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(seen) == count, "the events are read while the engine still runs"
    ended.set()
    reader.join(10)
    assert seen == [0, 1, 2]


def test_without_a_log_there_are_no_events(tmp_path: Path) -> None:
    assert list(updates.follow(tmp_path / "none", lambda: False)) == []


def test_a_line_that_is_not_an_event_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"sequence": 0}\nnothing\n[1]\n{"sequence": 1}\n')
    assert [event["sequence"] for event in updates.follow(file, lambda: False)] == [0, 1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("secret", "line 3 isn't JSON"),
        ("[" * 100_000, "line 3 isn't JSON"),
        ('{"secret": 1}', "line 3 must have the key sequence"),
        ('["secret"]', "line 3 must be an object, got an array"),
        ('{"sequence": 1, "summaryEvent": "secret"}', "the summaryEvent of line 3 must be an object, got a string"),
    ],
)
def test_an_error_about_a_line_does_not_quote_it(line: str, reason: str) -> None:
    with pytest.raises(FormError) as refused:
        engine_events.parse(line, 3)
    assert str(refused.value) == reason

"""The engine's event log of one update: progress while the engine works, and its errors afterwards."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine_events
from engine_events import Event, FormError
from local import progress
from local.progress import Step

POLL_SECONDS = 0.1

# For each operation that changes a resource, what the engine is doing and what it has done:
# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/history.go
# A replacement is three operations. Its `replace` only stands for the other two and does no work.
_OPERATIONS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "delete": ("deleting", "deleted"),
    "import": ("importing", "imported"),
    "create-replacement": ("replacing", "replaced"),
    "import-replacement": ("replacing", "replaced"),
    "delete-replaced": ("deleting the replaced one", None),
}
# Severities that may explain a failure; `info#err` is the standard error of the program or a plugin.
_REASONS = ("error", "warning", "info#err")
# The engine warns about each plugin that is on PATH in every run.
_PLUGIN_ON_PATH = "using pulumi-resource-"


def follow(file: Path, is_running: Callable[[], bool]) -> Iterator[Event]:
    """Yield the events of a log as the engine appends them, until the engine has ended and the log is read.

    A line that is not an event is skipped: progress must not fail an update that succeeds.
    """
    while not file.exists() and is_running():
        time.sleep(POLL_SECONDS)
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as log:
        for number, line in enumerate(_lines(log.readline, is_running), 1):
            try:
                yield engine_events.parse(line, number)
            except FormError:
                continue


def _lines(read_line: Callable[[], str], is_running: Callable[[], bool]) -> Iterator[str]:
    """Yield complete lines, and wait for the rest of a line that the engine is still writing."""
    line = ""
    while True:
        # Checked before reading, so that the engine's last events are read as well.
        more_may_come = is_running()
        while part := read_line():
            line += part
            if line.endswith("\n"):
                yield line
                line = ""
        if not more_may_come:
            return
        time.sleep(POLL_SECONDS)


@dataclass(kw_only=True, slots=True)
class _Message:
    urn: str
    severity: str
    # Messages with the same number other than 0 are pieces of one text.
    stream: int
    text: str


@dataclass(kw_only=True)
class Update:
    """The progress and the messages of one update; `changed` holds the URNs of the resources that it changed."""

    changed: set[str] = field(default_factory=set)
    _began: dict[tuple[str, str], int] = field(default_factory=dict)
    _messages: list[_Message] = field(default_factory=list)

    def take(self, event: Event, step: Step) -> None:
        """Note the outcome of a resource on `step`, or keep a message for `diagnosis`."""
        if started := event.get("resourcePreEvent"):
            self._start(started.get("metadata") or {}, event.get("timestamp", 0), step)
        elif finished := event.get("resOutputsEvent"):
            self._finish(finished.get("metadata") or {}, event.get("timestamp", 0), step)
        elif diagnostic := event.get("diagnosticEvent"):
            self._keep(diagnostic)

    def _start(self, metadata: Mapping[str, Any], timestamp: int, step: Step) -> None:
        if _does_work(metadata):
            urn, operation = metadata["urn"], metadata["op"]
            self._began[urn, operation] = timestamp
            step.glance(f"{_title(urn)} {_OPERATIONS[operation][0]}")

    def _finish(self, metadata: Mapping[str, Any], timestamp: int, step: Step) -> None:
        if not _does_work(metadata):
            return
        urn, operation = metadata["urn"], metadata["op"]
        self.changed.add(urn)
        seconds = timestamp - self._began.get((urn, operation), timestamp)
        if outcome := _OPERATIONS[operation][1]:
            step.note(f"{_title(urn)} {outcome}" + (f" in {_duration(seconds)}" if seconds else ""))

    def _keep(self, diagnostic: Mapping[str, Any]) -> None:
        severity = diagnostic.get("severity", "")
        text = engine_events.message(diagnostic)
        is_noise = severity == "warning" and _PLUGIN_ON_PATH in text
        if severity not in _REASONS or diagnostic.get("ephemeral") or is_noise:
            return
        urn, stream = _resource(diagnostic.get("urn", "")), diagnostic.get("streamId", 0)
        last = self._messages[-1] if self._messages else None
        if last and stream and (last.urn, last.severity, last.stream) == (urn, severity, stream):
            last.text += text
        else:
            self._messages.append(_Message(urn=urn, severity=severity, stream=stream, text=text))

    def diagnosis(self) -> list[str]:
        """Return every error once and complete, with the warnings about the resources that failed.

        Empty without an error event; the reason is then in the engine's own output.
        """
        failed = dict.fromkeys(each.urn for each in self._messages if each.severity == "error")
        return [line for urn in failed for line in self._described(urn)]

    def _described(self, urn: str) -> Iterator[str]:
        if urn:
            yield f"{_title(urn)}:"
        messages = [(each.severity, each.text.strip("\n")) for each in self._messages if each.urn == urn]
        for severity, text in dict.fromkeys(messages):
            label = "" if severity == "info#err" else f"{severity}: "
            for line in f"{label}{text.removeprefix(label)}".splitlines():
                yield f"  {line}" if urn else line


def _does_work(metadata: Mapping[str, Any]) -> bool:
    """Return whether an operation changes a resource; components and default providers don't count."""
    state = metadata.get("new") or metadata.get("old") or {}
    urn = metadata.get("urn", "")
    is_default_provider = _type(urn).startswith("pulumi:providers:") and _name(urn).startswith("default")
    return metadata.get("op") in _OPERATIONS and state.get("custom", False) and not is_default_provider


def _resource(urn: str) -> str:
    """Return a resource's URN; empty for the stack, whose messages are those of the whole program."""
    return "" if _type(urn) == engine_events.STACK_TYPE else urn


def _title(urn: str) -> str:
    return f"{_type(urn).rpartition(':')[2]} {_name(urn)}"


def _type(urn: str) -> str:
    """Return the type of `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`."""
    return _last_parts(urn)[0].rpartition("$")[2]


def _name(urn: str) -> str:
    return _last_parts(urn)[1]


def _last_parts(urn: str) -> tuple[str, str]:
    # Only the name may have `::` in it.
    types, _, name = urn.partition("::")[2].partition("::")[2].partition("::")
    return types, name


def _duration(seconds: int) -> str:
    # The engine's times are whole seconds.
    return f"{seconds} s" if seconds < progress.FEW_SECONDS else progress.duration(seconds)

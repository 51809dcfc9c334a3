"""What keeps the process at work."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from lightkube.core.exceptions import ConfigError

from workloads.serving.reconciler import process


def test_the_lease_is_asked_for_again_whatever_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []
    done = asyncio.Event()

    async def renew() -> bool:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConfigError("the file of the token is not there")
        done.set()
        return True

    async def run() -> None:
        leadership: Any = SimpleNamespace(identity="pod", holds=lambda: False, renew=renew)
        task = asyncio.create_task(process._lead(leadership))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

    monkeypatch.setattr(process, "_RENEWAL", 0.01)
    asyncio.run(run())
    assert len(attempts) >= 2

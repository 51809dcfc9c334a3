from typing import Any

import pytest

from local.plugins.provider import Request
from tests.unit.plugins.support import RecordingHost, RequestFor


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def request_for() -> RequestFor:
    def make(type_token: str, name: str = "thing", **fields: Any) -> Request:
        identity: dict[str, Any] = {"urn": f"urn:pulumi:t::p::{type_token}::{name}", "type": type_token, "name": name}
        return Request(**identity, **fields)

    return make

"""The figures of model servers, from the `/metrics` of each pod."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import httpx

from contracts import MODEL_SERVER_PORT
from workloads.serving.rollout import figures
from workloads.serving.rollout.figures import Figures
from workloads.serving.rollout.situation import Observed

# In seconds, and bytes.
_TIMEOUT: Final = 3.0
_LARGEST: Final = 4 << 20

_log = logging.getLogger(__name__)


async def scrape(client: httpx.AsyncClient, observed: Observed) -> Mapping[str, Figures]:
    """Return the figures of the ready servers that answer, by the names of their pods."""
    pods = [(pod.name, pod.address) for seen in observed.versions.values() for pod in seen.ready if pod.address]
    found = await asyncio.gather(*(_figures(client, address) for _, address in pods))
    return {name: each for (name, _), each in zip(pods, found, strict=True) if each is not None}


async def _figures(client: httpx.AsyncClient, address: str) -> Figures | None:
    host = f"[{address}]" if ":" in address else address
    try:
        # The client's own timeout is that of each piece: a server that sends one now and then would hold up all models.
        async with asyncio.timeout(_TIMEOUT):
            return figures.parse(await _text(client, f"http://{host}:{MODEL_SERVER_PORT}/metrics"))
    except (httpx.HTTPError, TimeoutError, ValueError, KeyError) as error:
        _log.warning("the metrics of %s can't be read: %s", address, error or type(error).__name__)
        return None


async def _text(client: httpx.AsyncClient, url: str) -> str:
    content = bytearray()
    async with client.stream("GET", url, timeout=_TIMEOUT) as response:
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _LARGEST:
                raise ValueError(f"they have more than {_LARGEST} bytes")
    return content.decode()

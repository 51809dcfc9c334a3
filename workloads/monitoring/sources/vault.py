"""Vault's health, which it tells without a login."""

import os
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

from contracts import Env, Exit
from workloads.cli import WorkloadError, require_address
from workloads.monitoring.samples import Sample

_SECONDS: Final = 10
# What it answers unsealed: as active, on standby, as a secondary for disasters, on standby for reads.
# https://developer.hashicorp.com/vault/api-docs/system/health
_UNSEALED: Final = (HTTPStatus.OK, 429, 472, 473)
_SEALED: Final = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.NOT_IMPLEMENTED)


def read() -> Iterator[Sample]:
    """Yield whether Vault is unsealed.

    Raises:
        WorkloadError: It doesn't answer, or what answers isn't Vault.
    """
    address = require_address(Env.VAULT_ADDR, "the address of Vault").rstrip("/")
    context = ssl.create_default_context(cafile=os.environ.get(Env.VAULT_CACERT))
    try:
        with urlopen(f"{address}/v1/sys/health", timeout=_SECONDS, context=context) as answer:  # noqa: S310 - a checked address
            status = answer.status
    except HTTPError as error:
        status = error.code
    except OSError as error:
        raise WorkloadError(f"Vault at {address} does not answer: {error}", Exit.VAULT) from error
    if status not in (*_UNSEALED, *_SEALED):
        raise WorkloadError(f"Vault at {address} answers its health with {status}.", Exit.VAULT)
    yield Sample(name="aegis_vault_unsealed", value=float(status in _UNSEALED))

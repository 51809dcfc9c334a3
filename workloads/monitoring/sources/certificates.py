"""The dates of the certificates that hosts show."""

import socket
import ssl
from collections.abc import Iterator
from typing import Final

from cryptography import x509

from contracts import Env
from workloads.cli import WorkloadError, require_env
from workloads.monitoring.samples import Sample

_SECONDS: Final = 10
_HTTPS: Final = 443


def read() -> Iterator[Sample]:
    """Yield the ends of the certificates' validity, those of expired and of private ones, too.

    Raises:
        WorkloadError: A host shows none; the others aren't told then.
    """
    for address in require_env(Env.EXPORTER_CERTIFICATES, "the hosts whose certificates are watched").split(","):
        end = x509.load_der_x509_certificate(_served(address)).not_valid_after_utc
        yield Sample(name="aegis_certificate_expiry_timestamp_seconds", value=end.timestamp(), labels=(address,))


def _served(address: str) -> bytes:
    host, _, port = address.partition(":")
    context = ssl.create_default_context()
    # What is asked for is the date of whatever is shown; nothing is sent.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, int(port or _HTTPS)), timeout=_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise WorkloadError(f"{address} does not show a certificate: {error}") from error

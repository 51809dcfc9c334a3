"""What a web server answers to this machine, and with which certificate."""

import ipaddress
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.parse import urlsplit

from cryptography import x509

from local.doctor.site import Answer, Certificate
from local.doctor.verdict import NoAnswerError

SECONDS = 15
_LARGEST_ANSWER = 64 * 1024
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_HOST = (62, 64)


def get(url: str, headers: Mapping[str, str]) -> Answer:
    """Return what a server answers.

    Raises:
        NoAnswerError: It answers nothing, or not in HTTP.
    """
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the stack's own addresses
    opener = _opener(url, follows=not headers)
    began = datetime.now(UTC)
    try:
        try:
            answer = opener.open(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            status, sent, body = int(answer.status or 0), answer.headers, answer.read(_LARGEST_ANSWER)
    except (OSError, ValueError, HTTPException) as error:
        raise NoAnswerError(f"{url.partition('?')[0]} doesn't answer: {reason(error)}") from None
    return Answer(
        status=status,
        text=body.decode(errors="replace"),
        date=_date(sent),
        asked_at=began + (datetime.now(UTC) - began) / 2,
    )


def certificate(host: str, port: int) -> Certificate:
    """Return the certificate of a TLS server, and whether a client on this machine accepts it.

    Raises:
        NoAnswerError: It shows none.
    """
    try:
        refused = _refused(host, port)
        pem = ssl.get_server_certificate((host, port), timeout=SECONDS)
    except (OSError, ValueError) as error:
        raise NoAnswerError(f"{host}:{port} shows no certificate: {reason(error)}") from None
    return Certificate(
        end=x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc,
        refusal=refused.verify_message if refused else None,
        of_another_host=bool(refused and refused.verify_code in _OTHER_HOST),
    )


def _refused(host: str, port: int) -> ssl.SSLCertVerificationError | None:
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error


def reason(error: Exception) -> str:
    """Return why a connection failed, in few words."""
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, as the next server would get the headers, too."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Give the redirect itself as the answer."""


def _opener(url: str, *, follows: bool) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [] if follows else [_Stay()]
    if _is_here(urlsplit(url).hostname or ""):
        # A proxy has another localhost.
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _date(headers: Message) -> datetime | None:
    """Return the time in the answer, if it has one that can be read."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None
    # Without a zone, it is in UTC (RFC 5322, section 3.3).
    return date if date.tzinfo else date.replace(tzinfo=UTC)

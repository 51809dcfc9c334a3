"""The checks in front of moto: authentication, authorization by role, and tokens of pods that assume a role."""

import io
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends

from local.aws import policies, s3_calls, sessions, web_identity
from local.aws.account import PARTITION, Account
from local.aws.clients import READY_PATH

# The access key and the service in a signature (version 4), which is in a header or a signed URL.
_CREDENTIAL = re.compile(r"Credential=([^/]+)/[0-9]+/[^/]*/([^/]+)/")
_QUERY_CREDENTIAL = "X-Amz-Credential"
_READING = ("GET", "HEAD", "OPTIONS")
# Only requests that name several objects are read here. Uploads of any size pass through to moto unread.
_SMALL = 1 << 20

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class DeniedError(Exception):
    """A refused call, with AWS's error code, the HTTP status and the reason."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Gate:
    """A WSGI application that passes allowed requests to `api`, and calls `changed` after possible changes."""

    def __init__(self, account: Account, api: Application, identity: str, changed: Callable[[], None]) -> None:
        self._account = account
        self._api = api
        self._identity = identity
        self._changed = changed

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] == READY_PATH:
            return _answer(start_response, 200, "application/json", json.dumps({"identity": self._identity}))
        access_key, service = _credential(environ)
        try:
            if access_key is None:
                self._admit_unsigned(environ)
            elif access_key != self._account.access_key:
                self._admit_session(environ, access_key, service)
        except (DeniedError, web_identity.RefusedError) as error:
            print(f"{error.code} for {environ['REQUEST_METHOD']} {environ['PATH_INFO']}: {error}", flush=True)
            return _refusal(start_response, service, error)
        answer = self._api(environ, start_response)
        if service != "s3" or environ["REQUEST_METHOD"] not in _READING:
            self._changed()
        return answer

    def _admit_unsigned(self, environ: Environ) -> None:
        """Check a request of a pod that assumes a role with a token and therefore has no signature."""
        form = dict(urllib.parse.parse_qsl(_body(environ).decode(errors="replace")))
        if form.get("Action") != "AssumeRoleWithWebIdentity":
            raise DeniedError("AccessDenied", 403, "the request is not signed")
        role = form.get("RoleArn", "")
        trust = sessions.trust(self._account.account_id, role)
        web_identity.check(form.get("WebIdentityToken", ""), trust, self._providers())

    def _providers(self) -> dict[str, web_identity.IdentityProvider]:
        """Return the identity providers with known keys, by issuer: only that of the one cluster."""
        cluster = self._account.cluster
        if cluster.issuer_key is None:
            return {}
        url = cluster.issuer.removeprefix("https://")
        registered = iam_backends[self._account.account_id][PARTITION].open_id_providers.values()
        providers = [
            web_identity.IdentityProvider(
                arn=provider.arn, issuer=cluster.issuer, audiences=provider.client_id_list, key=cluster.issuer_key
            )
            for provider in registered
            if provider.url == url
        ]
        return {provider.issuer: provider for provider in providers}

    def _admit_session(self, environ: Environ, access_key: str, service: str) -> None:
        session = sessions.find(self._account.account_id, access_key)
        if session is None:
            code = "InvalidAccessKeyId" if service == "s3" else "InvalidClientTokenId"
            raise DeniedError(code, 403, f"the access key {access_key} doesn't belong to this account")
        if session.expired or session.token != _security_token(environ):
            raise DeniedError("ExpiredToken", 400, "the session has expired, or its token is wrong")
        for call in _calls(environ, service):
            if not sessions.may(self._account.account_id, session, call):
                message = f"{session.arn} is not authorized to perform {call.action} on {call.resource}"
                raise DeniedError("AccessDenied", 403, message)


def _credential(environ: Environ) -> tuple[str | None, str]:
    """Return the access key of a request, or None if it isn't signed, and the service that it is for."""
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    header = environ.get("HTTP_AUTHORIZATION") or f"Credential={query.get(_QUERY_CREDENTIAL, '')}"
    match = _CREDENTIAL.search(header)
    return (match[1], match[2]) if match else (None, "sts" if environ["REQUEST_METHOD"] == "POST" else "s3")


def _security_token(environ: Environ) -> str | None:
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    return environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or query.get("X-Amz-Security-Token")


def _calls(environ: Environ, service: str) -> list[policies.Call]:
    """Return the AWS calls that a request stands for."""
    if service == "s3":
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        query = environ.get("QUERY_STRING", "")
        deletes_objects = environ["REQUEST_METHOD"] == "POST" and "delete" in query
        return s3_calls.calls(
            s3_calls.Request(
                method=environ["REQUEST_METHOD"],
                path=environ["PATH_INFO"],
                query=query,
                headers=headers,
                body=_body(environ) if deletes_objects else b"",
            )
        )
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        arguments = json.loads(_body(environ) or b"{}")
        return [policies.Call(action=f"{service}:{target.rpartition('.')[2]}", resource=arguments.get("SecretId", "*"))]
    form = dict(urllib.parse.parse_qsl(_body(environ).decode(errors="replace")))
    if service == "sts" and form.get("Action") == "GetCallerIdentity":
        return []
    return [policies.Call(action=f"{service}:{form.get('Action', 'Unknown')}", resource="*")]


def _body(environ: Environ) -> bytes:
    """Return a request's body, and keep it readable for moto."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if size > _SMALL:
        raise DeniedError("RequestEntityTooLarge", 413, f"the body must be at most {_SMALL} bytes, got {size}")
    body = environ["wsgi.input"].read(size) if size else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _refusal(
    start_response: StartResponse, service: str, error: DeniedError | web_identity.RefusedError
) -> Iterable[bytes]:
    """Return an error in the service's format: S3's XML, the query services' XML, or JSON."""
    code, message = escape(error.code), escape(str(error))
    if service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return _answer(start_response, error.status, "application/xml", text)
    if service in ("sts", "iam", "rds", "ec2"):
        fault = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return _answer(start_response, error.status, "text/xml", f"<ErrorResponse>{fault}</ErrorResponse>")
    text = json.dumps({"__type": f"{error.code}Exception", "message": str(error)})
    return _answer(start_response, error.status, "application/x-amz-json-1.1", text)


_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 413: "Content Too Large"}


def _answer(start_response: StartResponse, status: int, kind: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    start_response(f"{status} {_REASONS[status]}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]

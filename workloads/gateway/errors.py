"""What can go wrong between a caller, MLflow and a served model; the API answers each as a problem of RFC 9457."""

from http import HTTPStatus
from typing import ClassVar


class GatewayError(Exception):
    """A request that failed. `retry_after` is the number of seconds after which it may succeed, if that is known."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    # The stable part of the problem's type.
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "The gateway failed"

    def __init__(self, detail: str, *, retry_after: int | None = None, challenge: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        # The value of WWW-Authenticate, by which a client learns how to log in.
        self.challenge = challenge


class InvalidError(GatewayError):
    """MLflow or the model finds the request invalid."""

    status = HTTPStatus.BAD_REQUEST
    kind = "invalid-request"
    title = "The request is invalid"


class UnprocessableError(GatewayError):
    """The request has a form that the API doesn't allow."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid-form"
    title = "The request has a form that is not allowed"


class KeyReusedError(GatewayError):
    """An idempotency key came before, with another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "idempotency-key-reused"
    title = "The idempotency key belongs to another request"


class ChecksumError(GatewayError):
    """An upload isn't what its checksum says."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "checksum-mismatch"
    title = "The content does not have the checksum that was sent"


class UnauthenticatedError(GatewayError):
    """MLflow doesn't accept the caller's authentication."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthenticated"
    title = "Authentication is required"


class ForbiddenError(GatewayError):
    """The caller may not do this."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "The caller may not do this"


class NotFoundError(GatewayError):
    """What the request names isn't there."""

    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "Not found"


class ConflictError(GatewayError):
    """The request contradicts what is there."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "The request contradicts the present state"


class NotServedError(GatewayError):
    """The model is wanted, and isn't served yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "not-served-yet"
    title = "The model is not served yet"


class TooLargeError(GatewayError):
    """A body is larger than allowed."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "too-large"
    title = "The body is too large"


class TooSlowError(GatewayError):
    """A body doesn't come in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    kind = "too-slow"
    title = "The body does not come"


class LimitedError(GatewayError):
    """MLflow limits the caller's requests."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-requests"
    title = "Too many requests"


class UpstreamError(GatewayError):
    """MLflow or a served model failed, or gave an answer that isn't its own."""

    status = HTTPStatus.BAD_GATEWAY
    kind = "upstream-failed"
    title = "The server behind the gateway failed"


class UnavailableError(GatewayError):
    """MLflow or a served model doesn't answer in time, or the gateway has too much to do."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "unavailable"
    title = "Temporarily unavailable"

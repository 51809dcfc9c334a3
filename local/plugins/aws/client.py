"""botocore clients for the emulated AWS, one per service and region, created on first use.

botocore takes half a second to import and a preview of a new stack doesn't call AWS, so functions import it as needed.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from local.plugins.aws.settings import Settings
from local.plugins.provider import PluginError

# botocore generates its client classes at run time.
Client = Any

_Answer = TypeVar("_Answer")

_POLL_SECONDS: Final = 5
_PARTITIONS: Final = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


class Clients:
    """The clients of one provider resource, shared by all threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._session: Any = None
        self._clients: dict[tuple[str, str], Client] = {}
        self._account: str | None = None

    def get(self, service: str, region: str) -> Client:
        """Return the client of a service.

        Raises:
            PluginError: the provider has no endpoint for the service, or its account isn't allowed.
        """
        with self._lock:
            self._check_account()
            return self._client(service, region)

    def account(self) -> str:
        """Return the AWS account ID."""
        with self._lock:
            self._check_account()
            return self._account or ""

    def _check_account(self) -> None:
        if self._account is not None:
            return
        account = self._client("sts", self.settings.region).get_caller_identity()["Account"]
        allowed = self.settings.allowed_accounts
        if account in self.settings.forbidden_accounts or (allowed and account not in allowed):
            alternatives = f"; allowed are {', '.join(allowed)}" if allowed else ""
            message = f"AWS account ID not allowed: {account}{alternatives}"
            raise PluginError(message)
        self._account = account

    def _client(self, service: str, region: str) -> Client:
        if (service, region) not in self._clients:
            self._clients[service, region] = self._create(service, region)
        return self._clients[service, region]

    def _create(self, service: str, region: str) -> Client:
        endpoint = self.settings.endpoints.get(service)
        if endpoint is None:
            services = ", ".join(sorted(self.settings.endpoints))
            message = f"aws: the provider has no endpoint for {service!r}, only for {services}"
            raise PluginError(message)
        import botocore.session  # noqa: PLC0415 - it's slow to import.
        from botocore.config import Config  # noqa: PLC0415 - it's slow to import.

        if self._session is None:
            # Ignore the user's profiles and files.
            unset = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))
            self._session = botocore.session.Session(session_vars=unset)
        return self._session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=self.settings.access_key,
            aws_secret_access_key=self.settings.secret_key,
            aws_session_token=self.settings.token,
            config=Config(
                s3={"addressing_style": "path" if self.settings.path_style else "auto"},
                # By default, the engine runs this many operations at a time.
                max_pool_connections=16,
            ),
        )


class Aws:
    """The clients of one region, and how many seconds a resource type may wait (0: its own default)."""

    def __init__(self, clients: Clients, region: str | None = None, seconds: float = 0) -> None:
        self._clients = clients
        self.region = region or clients.settings.region
        self.seconds = seconds

    def client(self, service: str) -> Client:
        """Return the client of a service."""
        return self._clients.get(service, self.region)

    @property
    def account(self) -> str:
        """The AWS account ID."""
        return self._clients.account()

    @property
    def partition(self) -> str:
        """The AWS partition of the region, the second part of every ARN."""
        matches = (name for prefix, name in _PARTITIONS.items() if self.region.startswith(f"{prefix}-"))
        return next(matches, "aws")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def wait(self, service: str, state: str, seconds: float, **filters: object) -> None:
        """Wait with a botocore waiter for at most `seconds`, unless the program sets its own timeout."""
        attempts = max(1, int((self.seconds or seconds) / _POLL_SECONDS))
        self.client(service).get_waiter(state).wait(
            **filters, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": attempts}
        )


def found(call: Callable[[], _Answer], *absent: str) -> _Answer | None:
    """Return the response of a call, or None if it fails with one of the codes for a missing resource."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - it's slow to import.

    try:
        return call()
    except ClientError as error:
        if code(error) in absent:
            return None
        raise


def code(error: Exception) -> str:
    """Return the AWS error code of a failed call, such as `NoSuchBucket`, or "" for any other error."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")


@contextlib.contextmanager
def explained_errors(operation: str) -> Iterator[None]:
    """Turn botocore's exceptions into one line with the operation and AWS's reason."""
    try:
        yield
    except PluginError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):
            raise
        message = f"{operation}: {_reason(error)}"
        raise PluginError(message) from error


def _reason(error: Exception) -> str:
    if not code(error):
        return str(error)
    operation = getattr(error, "operation_name", "?")
    return f"{operation}: api error {code(error)}: {getattr(error, 'response', {})['Error'].get('Message', '')}"

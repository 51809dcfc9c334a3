"""The emulated AWS through botocore: one client for each service and region, made when it's first needed.

botocore takes half a second to import, and a preview of something new calls nothing: so it's imported inside.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from local.plugins.aws.settings import Settings
from local.plugins.provider import PluginError

# botocore makes the classes of its clients at run time.
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
        self._made: dict[tuple[str, str], Client] = {}
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
        """Return the number of the account."""
        with self._lock:
            self._check_account()
            return self._account or ""

    def _check_account(self) -> None:
        if self._account is not None:
            return
        account = self._client("sts", self.settings.region).get_caller_identity()["Account"]
        allowed = self.settings.allowed_accounts
        if account in self.settings.forbidden_accounts or (allowed and account not in allowed):
            wanted = f"; allowed are {', '.join(allowed)}" if allowed else ""
            message = f"AWS account ID not allowed: {account}{wanted}"
            raise PluginError(message)
        self._account = account

    def _client(self, service: str, region: str) -> Client:
        if (service, region) not in self._made:
            self._made[service, region] = self._make(service, region)
        return self._made[service, region]

    def _make(self, service: str, region: str) -> Client:
        endpoint = self.settings.endpoints.get(service)
        if endpoint is None:
            known = ", ".join(sorted(self.settings.endpoints))
            message = f"aws: the provider's endpoints have none for {service!r}; they have {known}"
            raise PluginError(message)
        import botocore.session  # noqa: PLC0415 - see above.
        from botocore.config import Config  # noqa: PLC0415 - see above.

        if self._session is None:
            # Neither the profiles of the user nor their files.
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
                # As many connections as the engine runs operations at a time by default.
                max_pool_connections=16,
            ),
        )


class Aws:
    """What a resource type sees: the clients of one region, and the seconds that it may wait (0: its own choice)."""

    def __init__(self, clients: Clients, region: str | None = None, seconds: float = 0) -> None:
        self._clients = clients
        self.region = region or clients.settings.region
        self.seconds = seconds

    def client(self, service: str) -> Client:
        """Return the client of a service."""
        return self._clients.get(service, self.region)

    @property
    def account(self) -> str:
        """The number of the account."""
        return self._clients.account()

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to, the second word of each ARN."""
        found = (name for prefix, name in _PARTITIONS.items() if self.region.startswith(f"{prefix}-"))
        return next(found, "aws")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def wait(self, service: str, state: str, seconds: float, **which: object) -> None:
        """Wait with one of botocore's waiters, for so many seconds unless the program says how many."""
        attempts = max(1, int((self.seconds or seconds) / _POLL_SECONDS))
        self.client(service).get_waiter(state).wait(
            **which, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": attempts}
        )


def found(call: Callable[[], _Answer], *absent: str) -> _Answer | None:
    """Return the answer of a call, or None for an error whose code means that the thing isn't there."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see above.

    try:
        return call()
    except ClientError as error:
        if code(error) in absent:
            return None
        raise


def code(error: Exception) -> str:
    """Return AWS's code of a refused call, such as `NoSuchBucket`; "" for any other error."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")


@contextlib.contextmanager
def refusals(doing: str) -> Iterator[None]:
    """Turn what botocore raises into one line that says what was being done and AWS's own reason."""
    try:
        yield
    except PluginError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):
            raise
        message = f"{doing}: {_reason(error)}"
        raise PluginError(message) from error


def _reason(error: Exception) -> str:
    if not code(error):
        return str(error)
    operation = getattr(error, "operation_name", "?")
    return f"{operation}: api error {code(error)}: {getattr(error, 'response', {})['Error'].get('Message', '')}"
